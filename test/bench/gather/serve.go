package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// serveOne serves a handler somewhere, and says where.
func serveOne(h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, h) //nolint:gosec // it is killed when the bench ends
}

// serveStreams serves leaves whose answers are sorted lines of so many bytes together.
func serveStreams(what string) error {
	var leaves, size int
	if _, err := fmt.Sscanf(what, "%dx%d", &leaves, &size); err != nil {
		return fmt.Errorf("-stream %q: %w", what, err)
	}
	var addresses []string
	failed := make(chan error, leaves)
	for i := range leaves {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses = append(addresses, l.Addr().String())
		go func() { failed <- http.Serve(l, lines(i, leaves, size)) }() //nolint:gosec // as above
	}
	fmt.Println(strings.Join(addresses, ","))
	return <-failed
}

func lines(leaf, leaves, size int) http.Handler {
	padding := strings.Repeat("x", 60)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		out := bufio.NewWriterSize(w, 16<<10)
		for at, n := leaf, 0; n < size; at += leaves {
			m, err := fmt.Fprintf(out, "{\"at\":%d,\"text\":\"%s\"}\n", at, padding)
			if err != nil {
				return // the client has gone
			}
			n += m
		}
		_ = out.Flush() // as above
	})
}

func fetch(url string) ([]byte, error) {
	response, err := http.Get(url) //nolint:gosec // the bench's own
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// drain an answer, and see that its lines are sorted and that it ends well.
func drain(url string) (bytes int64, count int, err error) {
	response, err := http.Get(url) //nolint:gosec // the bench's own
	if err != nil {
		return 0, 0, err
	}
	defer response.Body.Close()
	scanner := bufio.NewScanner(response.Body)
	last := ""
	for before := -1; scanner.Scan(); count++ {
		last = scanner.Text()
		bytes += int64(len(last)) + 1
		at := 0
		if _, err := fmt.Sscanf(last, `{"at":%d`, &at); err == nil {
			if at < before {
				return 0, 0, fmt.Errorf("line %d: %d comes after %d", count, at, before)
			}
			before = at
		}
	}
	if err := scanner.Err(); err != nil {
		return 0, 0, err
	}
	if !strings.Contains(last, `"complete":true`) {
		return 0, 0, fmt.Errorf("the last line is %q", last)
	}
	return bytes, count, nil
}
