package run

import (
	"os"
	"slices"
	"strings"
)

// environment is the container's own, without what the framework added to it.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PATTERN_") || strings.HasPrefix(entry, "WORK_")
	})
}

// Environment is what a developer's program gets from the container.
func Environment() []string { return environment() }

// expand replaces $(NAME) by the variable's value, where there is one; $$(NAME) stands for $(NAME) itself.
func expand(argument string, values map[string]string) string {
	if !strings.Contains(argument, "$(") {
		return argument
	}
	var b strings.Builder
	for {
		at := strings.Index(argument, "$(")
		if at < 0 {
			break
		}
		length := strings.IndexByte(argument[at:], ')')
		if length < 0 {
			break
		}
		value, known := values[argument[at+2:at+length]]
		switch {
		case known && at > 0 && argument[at-1] == '$':
			b.WriteString(argument[:at-1])
			b.WriteString(argument[at : at+length+1])
		case known:
			b.WriteString(argument[:at])
			b.WriteString(value)
		default:
			b.WriteString(argument[:at+2])
			argument = argument[at+2:]
			continue
		}
		argument = argument[at+length+1:]
	}
	b.WriteString(argument)
	return b.String()
}
