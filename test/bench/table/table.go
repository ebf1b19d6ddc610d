// Package table is how benches tell what they have measured: a row for each figure, beside its target.
package table

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// A Table has a row for each figure, and above it the lines that say how it came about.
type Table struct {
	notes  []string
	rows   [][4]string
	missed int
}

// Note is a line above the table.
func (t *Table) Note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// Figure is a row without a target.
func (t *Table) Figure(what, measured string) {
	t.rows = append(t.rows, [4]string{what, "-", measured, ""})
}

// Target is a row with one.
func (t *Table) Target(what, target, measured string, reached bool) {
	verdict := "ok"
	if !reached {
		verdict = "MISSED"
		t.missed++
	}
	t.rows = append(t.rows, [4]string{what, target, measured, verdict})
}

// Print the notes, then the rows, and how many targets were missed.
func (t *Table) Print(out io.Writer) {
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

// Median of figures, at least one.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// Spread is "median (least to most)".
func Spread(values []float64) string {
	return fmt.Sprintf("%.0f (%.0f to %.0f)", Median(values), slices.Min(values), slices.Max(values))
}

// LoadAverage of the last minute.
func LoadAverage() string {
	data, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(data), " ")
	return load
}
