//go:build acceptance

package acceptance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// object is one of Terraform's, in its JSON syntax.
type object = map[string]any

// A workspace is a folder with a configuration and its state.
type workspace struct {
	*testing.T
	dir  string
	tool string
	env  []string
}

// newWorkspace makes an empty one, for terraform or tofu.
func newWorkspace(t *testing.T, tool string) *workspace {
	t.Helper()
	w := &workspace{T: t, dir: t.TempDir(), tool: tool}
	rc := filepath.Join(w.dir, "cli.tfrc")
	require.NoError(t, os.WriteFile(rc, fmt.Appendf(nil, `
provider_installation {
  dev_overrides { "container-patterns/pattern" = %q }
  direct {}
}
`, filepath.Dir(binary)), 0o600))
	for _, v := range os.Environ() { // what a provider would read by itself must be told by the test
		name, _, _ := strings.Cut(v, "=")
		if !slices.ContainsFunc([]string{"KUBE", "NOMAD_", "TF_", "PATTERN_", "AWS_"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			w.env = append(w.env, v)
		}
	}
	w.env = append(w.env, "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "NO_COLOR=1")
	return w
}

// setenv for all commands from now on.
func (w *workspace) setenv(name, value string) { w.env = append(w.env, name+"="+value) }

// write the configuration: a provider, and whatever else there is at the top level.
func (w *workspace) write(provider object, rest ...object) {
	w.Helper()
	all := object{
		"terraform": object{"required_providers": object{"pattern": object{"source": "container-patterns/pattern"}}},
		"provider":  object{"pattern": provider},
	}
	for _, r := range rest {
		for k, v := range r {
			all[k] = v
		}
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	require.NoError(w, err)
	require.NoError(w, os.WriteFile(filepath.Join(w.dir, "main.tf.json"), raw, 0o600))
}

// A result is what a command has said.
type result struct {
	Err         error
	Took        time.Duration
	Diagnostics []diagnostic
	// Changes are the planned actions by address: create, update, replace, delete; of what stays there is none.
	Changes map[string]string
	output  string
}

type diagnostic struct {
	Severity, Summary, Detail, Address string
}

func (d diagnostic) String() string {
	return d.Severity + ": " + d.Summary + " (" + d.Address + ")\n" + d.Detail
}

// text of the diagnostics of a severity.
func (r *result) text(severity string) string {
	var all []string
	for _, d := range r.Diagnostics {
		if d.Severity == severity {
			all = append(all, d.String())
		}
	}
	return strings.Join(all, "\n\n")
}

func (r *result) errors() string   { return r.text("error") }
func (r *result) warnings() string { return r.text("warning") }

// command of the tool, not started.
func (w *workspace) command(args ...string) *exec.Cmd {
	c := exec.Command(toolsByName[w.tool], args...)
	c.Dir, c.Env = w.dir, w.env
	return c
}

// raw runs a command that must succeed, and gives what it prints.
func (w *workspace) raw(args ...string) []byte {
	w.Helper()
	c := w.command(args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	require.NoErrorf(w, err, "%s %s:\n%s\n%s", w.tool, strings.Join(args, " "), out, &errs)
	return out
}

// try runs plan, apply, destroy or refresh, and gives what it says, whatever that is.
func (w *workspace) try(args ...string) *result {
	w.Helper()
	begun := time.Now()
	out, err := w.command(append([]string{args[0], "-json", "-input=false"}, args[1:]...)...).CombinedOutput()
	r := read(out)
	r.Err, r.Took = err, time.Since(begun)
	return r
}

// read what -json prints.
func read(out []byte) *result {
	r := &result{Changes: map[string]string{}, output: string(out)}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			Type       string     `json:"type"`
			Diagnostic diagnostic `json:"diagnostic"`
			Change     struct {
				Resource struct {
					Addr string `json:"addr"`
				} `json:"resource"`
				Action string `json:"action"`
			} `json:"change"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		switch line.Type {
		case "diagnostic":
			r.Diagnostics = append(r.Diagnostics, line.Diagnostic)
		case "planned_change":
			if line.Change.Action != "noop" {
				r.Changes[line.Change.Resource.Addr] = line.Change.Action
			}
		}
	}
	return r
}

func (w *workspace) must(args ...string) *result {
	w.Helper()
	r := w.try(args...)
	require.NoErrorf(w, r.Err, "%s %s: %s\n%s", w.tool, strings.Join(args, " "), r.errors(), tail(r.output, r.errors() == ""))
	return r
}

func tail(output string, show bool) string {
	if !show {
		return ""
	}
	return output[max(0, len(output)-4000):]
}

func (w *workspace) apply(args ...string) *result {
	w.Helper()
	return w.must(append([]string{"apply", "-auto-approve"}, args...)...)
}

func (w *workspace) tryApply(args ...string) *result {
	w.Helper()
	return w.try(append([]string{"apply", "-auto-approve"}, args...)...)
}

// fails applies what must be refused.
func (w *workspace) failApply(args ...string) *result {
	w.Helper()
	r := w.tryApply(args...)
	require.Errorf(w, r.Err, "apply should have failed: %s", r.output)
	return r
}

func (w *workspace) plan(args ...string) *result {
	w.Helper()
	return w.must(append([]string{"plan"}, args...)...)
}

func (w *workspace) destroy() *result {
	w.Helper()
	return w.must("destroy", "-auto-approve")
}

// unchanged requires an empty plan.
func (w *workspace) unchanged(msg string) {
	w.Helper()
	r := w.try("plan", "-detailed-exitcode")
	require.NoErrorf(w, r.Err, "%s: the plan should be empty: %v %s %s", msg, r.Changes, r.errors(), w.differences())
}

// differences that a plan shows, for a test's failure.
func (w *workspace) differences() string {
	out, _ := w.command("plan", "-no-color", "-input=false").CombinedOutput()
	return string(out)
}

// instance gives the attributes of a pattern's resource in the state; nil where it is not there.
func (w *workspace) instance(name string) object {
	w.Helper()
	var state struct {
		Values struct {
			Root struct {
				Resources []struct {
					Address string `json:"address"`
					Values  object `json:"values"`
				} `json:"resources"`
			} `json:"root_module"`
		} `json:"values"`
	}
	require.NoError(w, json.Unmarshal(w.raw("show", "-json"), &state))
	for _, r := range state.Values.Root.Resources {
		if kind, own, _ := strings.Cut(r.Address, "."); own == name && strings.HasPrefix(kind, "pattern_") {
			return r.Values
		}
	}
	return nil
}

// with gives a deep copy of an object in which the values at dotted paths are others; nil removes one.
func with(o object, changes object) object {
	var c object
	raw, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		panic(err)
	}
	for path, v := range changes {
		at, keys := c, strings.Split(path, ".")
		for _, k := range keys[:len(keys)-1] {
			if _, ok := at[k].(object); !ok {
				at[k] = object{}
			}
			at = at[k].(object)
		}
		last := keys[len(keys)-1]
		if v == nil {
			delete(at, last)
		} else {
			at[last] = v
		}
	}
	return c
}
