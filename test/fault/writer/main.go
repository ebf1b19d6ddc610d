// Command writer plays the main container: it writes numbered lines of 100 bytes to a log file at a steady rate, and
// rotates the file as logrotate would. When it ends, it prints how many lines it has written.
//
//	writer -file FILE -rate LINES_PER_SECOND -rotate EVERY -keep FILES -for DURATION [-copytruncate]
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	w := writer{}
	flag.StringVar(&w.path, "file", "", "the log file")
	rate := flag.Int("rate", 50_000, "lines per second")
	rotate := flag.Duration("rotate", time.Second, "time between rotations; 0 for none")
	flag.IntVar(&w.keep, "keep", 5, "rotated files that are kept")
	flag.BoolVar(&w.copyTruncate, "copytruncate", false, "rotate by copying and truncating")
	length := flag.Duration("for", time.Minute, "how long to write")
	flag.Parse()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if err := w.run(*rate, *rotate, *length, stop); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(w.written)
}

type writer struct {
	path         string
	keep         int
	copyTruncate bool
	written      int
	file         *os.File
}

// run writes in steps of 10 ms, each as many lines as the time that has passed asks for.
func (w *writer) run(rate int, rotate, length time.Duration, stop <-chan os.Signal) error {
	if err := w.open(); err != nil {
		return err
	}
	began, rotated := time.Now(), time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return w.file.Close()
		case <-tick.C:
		}
		now := time.Since(began)
		if err := w.write(int(min(now, length).Seconds()*float64(rate)) - w.written); err != nil {
			return err
		}
		if now >= length {
			return w.file.Close()
		}
		if rotate > 0 && time.Since(rotated) >= rotate {
			rotated = time.Now()
			if err := w.rotate(); err != nil {
				return err
			}
		}
	}
}

func (w *writer) open() (err error) {
	w.file, err = os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return err
}

// write ends now and then within a line, as a program does that flushes when its buffer is full.
func (w *writer) write(lines int) error {
	out := bufio.NewWriterSize(w.file, 4096)
	for range lines {
		if _, err := fmt.Fprintf(out, "%010d %88d\n", w.written, w.written); err != nil {
			return err
		}
		w.written++
	}
	return out.Flush()
}

func (w *writer) rotate() error {
	for i := w.keep - 1; i > 0; i-- {
		if err := os.Rename(w.name(i), w.name(i+1)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if w.copyTruncate {
		return w.copyAndTruncate()
	}
	if err := os.Rename(w.path, w.name(1)); err != nil {
		return err
	}
	// The old file is written to until the new one is open, as by a server that is told by a signal.
	if err := w.write(10); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	return w.open()
}

func (w *writer) name(i int) string { return fmt.Sprintf("%s.%d", w.path, i) }

// copyAndTruncate writes nothing in between, so that a line that is missing afterwards is not the rotation's fault.
func (w *writer) copyAndTruncate() error {
	from, err := os.Open(w.path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(w.name(1))
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	return os.Truncate(w.path, 0)
}
