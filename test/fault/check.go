package fault

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Findings are what is wrong with the objects of a store.
type Findings struct {
	Objects int
	// Lines are those that are there, each counted once.
	Lines int
	// Lost are numbers that are in no object, Doubled are in more than one place.
	Lost, Doubled []int
	// Overlapping are objects that hold a range of which another object holds a part.
	Overlapping []string
	// Disordered are objects in which a line stands before one with a smaller number.
	Disordered []string
	// Strange are lines that nobody wrote.
	Strange []string
}

// Err tells what is wrong, or nil.
func (f Findings) Err() error {
	if len(f.Lost)+len(f.Doubled)+len(f.Overlapping)+len(f.Disordered)+len(f.Strange) == 0 {
		return nil
	}
	return fmt.Errorf("%d lines lost %s, %d lines twice %s, %d overlapping objects %s, %d objects out of order %s, %d strange lines %s",
		len(f.Lost), some(f.Lost), len(f.Doubled), some(f.Doubled), len(f.Overlapping), some(f.Overlapping),
		len(f.Disordered), some(f.Disordered), len(f.Strange), some(f.Strange))
}

func some[T any](all []T) string { return fmt.Sprint(all[:min(len(all), 5)]) }

// Check compares the objects with the numbers 0 to written-1, each of which must stand in just one place.
func Check(objects map[string][]byte, written int) (Findings, error) {
	f := Findings{Objects: len(objects)}
	seen := make([]uint8, written)
	ranges := map[string][]span{} // by identity
	for name, content := range objects {
		text, err := expand(name, content)
		if err != nil {
			return f, err
		}
		s, err := spanOf(name)
		if err != nil {
			return f, err
		}
		ranges[path.Dir(name)] = append(ranges[path.Dir(name)], s)
		f.count(name, text, seen)
	}
	for number, count := range seen {
		switch {
		case count == 0:
			f.Lost = append(f.Lost, number)
		case count > 1:
			f.Doubled = append(f.Doubled, number)
			fallthrough
		default:
			f.Lines++
		}
	}
	for identity, spans := range ranges {
		slices.SortFunc(spans, func(a, b span) int { return int(a.start - b.start) })
		for i := 1; i < len(spans); i++ {
			if spans[i].start < spans[i-1].end {
				f.Overlapping = append(f.Overlapping, identity+"/"+spans[i].name)
			}
		}
	}
	return f, nil
}

func (f *Findings) count(name string, text []byte, seen []uint8) {
	last, disordered := -1, false
	for line := range bytes.Lines(text) {
		number, err := parse(line)
		if err != nil || number >= len(seen) {
			f.Strange = append(f.Strange, fmt.Sprintf("%s: %.120q", path.Base(name), line))
			continue
		}
		if seen[number] < 255 {
			seen[number]++
		}
		disordered = disordered || number < last
		last = number
	}
	if disordered {
		f.Disordered = append(f.Disordered, name)
	}
}

// parse reads the number, which a whole line has twice.
func parse(line []byte) (int, error) {
	fields := bytes.Fields(line)
	if len(line) != 100 || len(fields) != 2 {
		return 0, fmt.Errorf("not a line of the writer")
	}
	first, err := strconv.Atoi(string(fields[0]))
	if err != nil {
		return 0, err
	}
	if second, err := strconv.Atoi(string(fields[1])); err != nil || second != first {
		return 0, fmt.Errorf("two numbers in one line")
	}
	return first, nil
}

type span struct {
	name       string
	start, end int64
}

func spanOf(name string) (span, error) {
	base, _, _ := strings.Cut(path.Base(name), ".")
	s := span{name: base}
	if _, err := fmt.Sscanf(base, "%d-%d", &s.start, &s.end); err != nil {
		return s, fmt.Errorf("object %s: its name has no range: %w", name, err)
	}
	return s, nil
}

// expand undoes the compression that the name tells.
func expand(name string, content []byte) ([]byte, error) {
	var reader io.Reader
	switch path.Ext(name) {
	case ".log":
		return content, nil
	case ".gz":
		unzip, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			return nil, fmt.Errorf("object %s: %w", name, err)
		}
		reader = unzip
	case ".zst":
		decoder, err := zstd.NewReader(bytes.NewReader(content), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("object %s: %w", name, err)
		}
		defer decoder.Close()
		reader = decoder
	default:
		return nil, fmt.Errorf("object %s: its ending is not known", name)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", name, err)
	}
	return text, nil
}
