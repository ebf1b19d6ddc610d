package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// A table has a row for each figure, and above it the lines that say how it came about.
type table struct {
	notes  []string
	rows   [][4]string
	missed int
}

// note is a line above the table.
func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// figure is a row without a target.
func (t *table) figure(what, measured string) {
	t.rows = append(t.rows, [4]string{what, "-", measured, ""})
}

// target is a row with one.
func (t *table) target(what, target, measured string, reached bool) {
	verdict := "ok"
	if !reached {
		verdict = "MISSED"
		t.missed++
	}
	t.rows = append(t.rows, [4]string{what, target, measured, verdict})
}

func (t *table) print(out io.Writer) {
	for _, note := range t.notes {
		fmt.Fprintln(out, note)
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\ttarget\tmeasured\tverdict")
	for _, row := range t.rows {
		fmt.Fprintln(w, strings.Join(row[:], "\t"))
	}
	_ = w.Flush() // to a terminal
	if t.missed > 0 {
		fmt.Fprintf(out, "\n%d TARGET(S) MISSED\n", t.missed)
	}
}

// median of figures, at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// spread is "median (least to most)".
func spread(values []float64) string {
	return fmt.Sprintf("%.0f (%.0f to %.0f)", median(values), slices.Min(values), slices.Max(values))
}

// loadAverage of the last minute.
func loadAverage() string {
	data, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(data), " ")
	return load
}
