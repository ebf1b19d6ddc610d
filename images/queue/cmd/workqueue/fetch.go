package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// fetch one output to standard output, or any number into a folder.
func (p *program) fetch(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	all := flags.Bool("all", false, "")
	to := flags.String("to", "", "")
	names, err := parse(flags, args)
	if err != nil {
		return err
	}
	switch {
	case *all == (len(names) > 0):
		return usageError{"needs -all or names"}
	case *to == "" && (*all || len(names) > 1):
		return usageError{"several outputs need -to FOLDER"}
	case *to == "":
		return p.copyTo(ctx, names[0], p.out)
	}
	root, err := openFolder(*to)
	if err != nil {
		return err
	}
	defer root.Close()
	var mu sync.Mutex
	fetched := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	one := func(name string) {
		group.Go(func() error {
			if err := p.fetchInto(ctx, root, name); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			fetched++
			return nil
		})
	}
	if *all {
		err = p.queue.outputs(ctx, func(o api.PipelineOutput) error {
			one(o.Name)
			return ctx.Err()
		})
	}
	for _, name := range names {
		one(name)
	}
	err = errors.Join(group.Wait(), err)
	fmt.Fprintf(p.out, "%d fetched into %s\n", fetched, *to)
	return err
}

// openFolder makes it where it is missing. Nothing is written outside of it, whatever an output is called.
func openFolder(folder string) (*os.Root, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	return os.OpenRoot(folder)
}

// fetchInto writes a file under another name first, so that what has its name is whole.
func (p *program) fetchInto(ctx context.Context, root *os.Root, name string) (err error) {
	file := filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	part := file + ".part"
	f, err := root.Create(part)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	err = p.copyTo(ctx, name, f)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = root.Remove(part) // the error that counts is the first
		return err
	}
	return root.Rename(part, file)
}

func (p *program) copyTo(ctx context.Context, name string, w io.Writer) error {
	answer, err := p.queue.send(ctx, http.MethodGet, "/v1/outputs/"+escape(name), "", nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer answer.Body.Close()
	n, err := io.Copy(w, answer.Body)
	if err == nil && answer.ContentLength >= 0 && n != answer.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
