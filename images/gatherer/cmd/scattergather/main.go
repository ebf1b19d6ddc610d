// Scattergather tries whether a container of yours keeps the contract of a scatter/gather's leaf or merge. Run the container, and
// this against it:
//
//	scattergather check leaf URL [-method M] [-path PATH] [-header NAME:VALUE]... [-body FILE] [-request FILE]
//	scattergather check merge URL [-format json|multipart|ndjson] [-by FIELD] [-order asc|desc] [-any-order]
//	                              [-type MEDIA/TYPE] [-path PATH] [-parts FILE]... [FILE...]
//
// A leaf is sent the request of the flags, or that of a file which has it as HTTP/1.1 writes it. A merge gets the files as answers of
// leaves, at least two of them; without any, arrays of objects with the fields id and score. There is one line per rule, with
// ok, or FAIL and why. Exit codes: 0 all rules are kept, 1 some are not, 2 wrong usage.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/check"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `usage: scattergather check leaf URL [-method M] [-path PATH] [-header NAME:VALUE]... [-body FILE] [-request FILE]
       scattergather check merge URL [-format json|multipart|ndjson] [-by FIELD] [-order asc|desc] [-any-order]
                                     [-type MEDIA/TYPE] [-path PATH] [-parts FILE]... [FILE...]`

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	results, err := try(ctx, args)
	if err != nil {
		fmt.Fprintf(errs, "scattergather: %v\n%s\n", err, usage)
		return 2
	}
	code := 0
	for _, r := range results {
		if r.Err == nil {
			fmt.Fprintf(out, "ok    %s\n", r.Rule)
			continue
		}
		code = 1
		fmt.Fprintf(out, "FAIL  %s: %v\n", r.Rule, r.Err)
	}
	return code
}

func try(ctx context.Context, args []string) ([]check.Result, error) {
	if len(args) < 3 || args[0] != "check" || args[1] != "leaf" && args[1] != "merge" {
		return nil, errors.New("there is no such command")
	}
	at, err := url.Parse(args[2])
	if err != nil || at.Scheme != "http" || at.Host == "" {
		return nil, fmt.Errorf("the URL must be http://HOST:PORT with an optional path, got %q", args[2])
	}
	flags := flag.NewFlagSet("scattergather", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	r := check.Request{Header: http.Header{}}
	flags.StringVar(&r.Method, "method", http.MethodGet, "")
	flags.StringVar(&r.Path, "path", "/", "")
	flags.Func("header", "", func(text string) error {
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return errors.New("want NAME:VALUE")
		}
		r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		return nil
	})
	if args[1] == "leaf" {
		body := flags.String("body", "", "")
		request := flags.String("request", "", "")
		if err := flags.Parse(args[3:]); err != nil {
			return nil, err
		}
		if flags.NArg() > 0 {
			return nil, fmt.Errorf("nothing is expected after the flags, got %q", flags.Arg(0))
		}
		if *request != "" {
			if r, err = readRequest(*request); err != nil {
				return nil, fmt.Errorf("read %s: %w", *request, err)
			}
		}
		if *body != "" {
			if r.Body, err = os.ReadFile(*body); err != nil {
				return nil, err
			}
			given := false
			flags.Visit(func(f *flag.Flag) { given = given || f.Name == "method" || f.Name == "request" })
			if !given {
				r.Method = http.MethodPost
			}
		}
		return check.Leaf(ctx, args[2], r), nil
	}

	m := check.Merging{}
	var files []string
	flags.StringVar(&m.Format, "format", contract.FormatJSON, "")
	flags.StringVar(&m.By, "by", "", "")
	flags.StringVar(&m.Order, "order", "asc", "")
	flags.StringVar(&m.ContentType, "type", "", "")
	flags.BoolVar(&m.AnyOrder, "any-order", false, "")
	flags.Func("parts", "", func(name string) error { files = append(files, name); return nil })
	if err := flags.Parse(args[3:]); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{contract.FormatJSON, contract.FormatMultipart, contract.FormatNDJSON}, m.Format) {
		return nil, fmt.Errorf(`-format must be "json", "multipart" or "ndjson", got %q`, m.Format)
	}
	if m.Order != "asc" && m.Order != "desc" {
		return nil, fmt.Errorf(`-order must be "asc" or "desc", got %q`, m.Order)
	}
	m.Request = r
	if m.ContentType == "" {
		m.ContentType = contract.TypeJSON
		if m.Format == contract.FormatNDJSON {
			m.ContentType = contract.TypeNDJSON
		}
	}
	if files = append(files, flags.Args()...); len(files) == 1 {
		return nil, errors.New("one part shows nothing: give at least two")
	}
	m.Parts = samples[m.Format == contract.FormatNDJSON]
	if len(files) > 0 {
		m.Parts = nil
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		m.Parts = append(m.Parts, body)
	}
	return check.Merge(ctx, args[2], m), nil
}

// samples of parts: of lines, and of arrays. Each is sorted by both of its fields, lines ascending, arrays with the best first.
var samples = map[bool][][]byte{
	true:  {[]byte("{\"id\":1,\"score\":1}\n{\"id\":4,\"score\":4}\n"), []byte("{\"id\":2,\"score\":2}\n"), []byte("{\"id\":3,\"score\":3}\n{\"id\":5,\"score\":5}\n")},
	false: {[]byte(`[{"id":4,"score":4},{"id":1,"score":1}]`), []byte(`[{"id":2,"score":2}]`), []byte(`[{"id":5,"score":5},{"id":3,"score":3}]`)},
}

// readRequest as HTTP/1.1 writes it. A body goes to the end of the file.
func readRequest(name string) (r check.Request, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return r, err
	}
	end := []byte("\n\n")
	if bytes.Contains(text, []byte("\r\n\r\n")) {
		end = []byte("\r\n\r\n")
	}
	head, body, _ := bytes.Cut(text, end)
	h, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimRight(string(head), "\r\n") + "\r\n\r\n")))
	if err != nil {
		return r, err
	}
	r = check.Request{Method: h.Method, Path: h.URL.RequestURI(), Header: h.Header, Body: body}
	r.Header.Del("Content-Length")
	r.Header.Del("Transfer-Encoding")
	return r, nil
}
