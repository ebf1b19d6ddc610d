package discovery

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// settle is how long a file must be left alone before it is read, so that one that is being written is not read half.
	settle = 100 * time.Millisecond
	// lookAgain is for file systems that do not tell of changes, and lookOften for folders that cannot be watched.
	lookAgain = 15 * time.Second
	lookOften = 2 * time.Second
	// maxFileBytes is some ten thousand lines.
	maxFileBytes = 1 << 20
)

// endpoint is a line of the file: an address or a name.
type endpoint struct {
	host    string
	address netip.Addr // not valid for a name
	port    uint16
}

// parse the file. Lines that are wrong are left out, and logged.
func parse(data []byte, file string, log *slog.Logger) (lines []endpoint) {
	for number, text := range strings.Split(string(data), "\n") {
		text, _, _ = strings.Cut(text, "#")
		for _, word := range strings.Fields(text) {
			line, err := parseEndpoint(word)
			if err != nil {
				log.Warn("a line of the endpoints file is left out; it must be HOST:PORT", "path", file, "line", number+1, "error", err.Error())
				continue
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func parseEndpoint(text string) (endpoint, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return endpoint{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return endpoint{}, &net.AddrError{Err: "port must be a number from 1 to 65535", Addr: text}
	}
	if host == "" {
		return endpoint{}, &net.AddrError{Err: "no host", Addr: text}
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		address = netip.Addr{} // a name
	}
	return endpoint{host: strings.ToLower(host), address: address.Unmap(), port: uint16(n)}, nil
}

// watchFile sends the file's content at the start, and whenever it may have changed, until ctx ends.
func (f *Follower) watchFile(ctx context.Context, file string, out chan<- []byte) {
	log := f.options.Log
	events, leave, err := f.folders.join(filepath.Dir(file))
	often := lookAgain
	if err != nil {
		log.Info("the endpoints file is watched by looking at it from time to time", "path", file, "error", err.Error())
		often = lookOften
	} else {
		defer leave()
	}
	settled := time.NewTimer(0)
	defer settled.Stop()
	again := time.NewTicker(often)
	defer again.Stop()
	var last []byte
	sent := false
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-events:
			if concerns(name, file) {
				settled.Reset(settle)
			}
			continue
		case <-again.C:
		case <-settled.C:
		}
		if sent && fresh(file) { // a late notice of an earlier change may come in the middle of the next one
			settled.Reset(settle)
			continue
		}
		data, err := read(file)
		if err != nil {
			if sent {
				log.Warn("the endpoints file cannot be read; what it said last stays", "path", file, "error", err.Error())
				continue
			}
			log.Warn("the endpoints file cannot be read", "path", file, "error", err.Error())
		}
		if sent && bytes.Equal(data, last) {
			continue
		}
		last, sent = data, true
		select {
		case <-ctx.Done():
			return
		case out <- data:
		}
	}
}

// read the file. One that is missing is empty.
func read(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileBytes {
		return nil, &fs.PathError{Op: "read", Path: file, Err: errors.New("larger than 1 MiB")}
	}
	data, err := os.ReadFile(file) //nolint:gosec // the configuration names it
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// concerns tells whether a change in the folder may be a change of the file. "..data" is the link that Kubernetes swaps. An empty
// name is of a change that was missed.
func concerns(changed, file string) bool {
	base := filepath.Base(changed)
	return changed == "" || base == filepath.Base(file) || base == "..data"
}

// fresh tells whether the file has been written just now, and so may not be complete.
func fresh(file string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	age := time.Since(info.ModTime())
	return age >= 0 && age < settle
}
