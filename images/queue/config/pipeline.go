package config

import (
	"maps"
	"slices"
	"strings"
)

// Order gives the stages so that each comes after all that it takes from; those of one depth by their names. Stages of a
// cycle, and what comes after them, are missing.
func (c *Config) Order() []string {
	var out []string
	placed := map[string]bool{Source: true}
	for {
		var layer []string
		for _, name := range slices.Sorted(maps.Keys(c.Stages)) {
			if placed[name] {
				continue
			}
			from := c.Stages[name].froms()
			if !slices.ContainsFunc(from, func(f string) bool { return !placed[f] && c.has(f) }) {
				layer = append(layer, name)
			}
		}
		if len(layer) == 0 {
			return out
		}
		for _, name := range layer {
			placed[name] = true
		}
		out = append(out, layer...)
	}
}

func (c *Config) has(stage string) bool {
	_, ok := c.Stages[stage]
	return ok
}

// froms with the default.
func (s Stage) froms() []string {
	if len(s.From) == 0 {
		return []string{Source}
	}
	return s.From
}

// Next are the stages that take from a stage, or from Source, by their names. None: its outputs are the pipeline's.
func (c *Config) Next(from string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(c.Stages)) {
		if slices.Contains(c.Stages[name].froms(), from) {
			out = append(out, name)
		}
	}
	return out
}

// Entries are the stages that are fed by the source.
func (c *Config) Entries() []string { return c.Next(Source) }

// Last are the stages whose outputs are the pipeline's.
func (c *Config) Last() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(c.Stages)) {
		if len(c.Next(name)) == 0 {
			out = append(out, name)
		}
	}
	return out
}

// ItemName is what an output of a stage (or an item of Source) is called as an item of another: with where it is from
// before it, if that other takes from several.
func (c *Config) ItemName(from, to, name string) string {
	if len(c.Stages[to].froms()) > 1 {
		return from + "/" + name
	}
	return name
}

// ResultName is what an output of a last stage is called as one of the pipeline: with the stage before it, if there are several.
func (c *Config) ResultName(stage, name string) string {
	if len(c.Last()) > 1 {
		return stage + "/" + name
	}
	return name
}

// cycle finds one, as "a -> b -> a", or "".
func (c *Config) cycle() string {
	ordered := c.Order()
	// Whoever is not in order is on a cycle or behind one; going back from it leads into the cycle.
	for _, name := range slices.Sorted(maps.Keys(c.Stages)) {
		if slices.Contains(ordered, name) {
			continue
		}
		var path []string
		for at := name; ; {
			if i := slices.Index(path, at); i >= 0 {
				loop := append(slices.Clone(path[i:]), at)
				slices.Reverse(loop) // it was walked against the flow
				return strings.Join(loop, " -> ")
			}
			path = append(path, at)
			next := ""
			for _, f := range c.Stages[at].froms() {
				if c.has(f) && !slices.Contains(ordered, f) {
					next = f
					break
				}
			}
			at = next
		}
	}
	return ""
}
