// Package multiline decides which lines belong to one record.
package multiline

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
)

// A Grouper sees the lines of a file in order and says which of them begin a record. It remembers the lines since the
// last Reset, and nothing else: the same lines after a Reset give the same answers.
type Grouper interface {
	// Begins reports whether the line begins a new record. The line comes without its end.
	Begins(line []byte) bool
	// Reset forgets; the next line begins a record.
	Reset()
}

// New returns the grouper that the configuration asks for, or nil if each line is a record.
func New(m *config.Multiline) (Grouper, error) {
	if m == nil {
		return nil, nil
	}
	switch m.Preset {
	case config.PresetJava:
		return &java{}, nil
	case config.PresetPython:
		return &python{}, nil
	case config.PresetGo:
		return &goTrace{}, nil
	case "":
		compiled, err := regexp.Compile(m.Pattern)
		if err != nil {
			return nil, fmt.Errorf("multiline pattern: %w", err)
		}
		return &pattern{first: compiled}, nil
	}
	return nil, fmt.Errorf("multiline preset %q is not known", m.Preset)
}

// pattern begins a record at each line that matches.
type pattern struct {
	first *regexp.Regexp
	open  bool
}

func (p *pattern) Begins(line []byte) bool {
	begins := !p.open || p.first.Match(line)
	p.open = true
	return begins
}

func (p *pattern) Reset() { p.open = false }

// indented reports whether the line begins with white space and has something behind it.
func indented(line []byte) bool {
	return len(line) > 0 && (line[0] == ' ' || line[0] == '\t') && len(bytes.TrimSpace(line)) > 0
}

func hasPrefix(line []byte, prefixes ...string) bool {
	for _, prefix := range prefixes {
		if len(line) >= len(prefix) && string(line[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}
