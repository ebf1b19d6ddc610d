package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// IsStageName tells whether a stage may be named so.
func IsStageName(name string) bool { return stageName.MatchString(name) }

// CheckName says what is wrong with the name of an item or an output. A name is UTF-8, of segments divided by single
// slashes, none of which is empty, "." or ".."; control characters are refused.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a name must not be empty")
	case len(name) > api.MaxNameBytes:
		return fmt.Errorf("the name that begins with %q has %d bytes, at most %d are allowed", head(name), len(name), api.MaxNameBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("the name %q is not UTF-8", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the name %q holds a control character", name)
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch segment {
		case "":
			return fmt.Errorf("the name %q has an empty segment: slashes divide, and are neither first nor last nor doubled", name)
		case ".", "..":
			return fmt.Errorf("the name %q has the segment %q, which leads elsewhere", name, segment)
		}
	}
	return nil
}

// head is the beginning of what is too long to show, cut between characters.
func head(s string) string {
	for n := min(len(s), 40); ; n-- {
		if n == 0 || utf8.ValidString(s[:n]) {
			return s[:n]
		}
	}
}
