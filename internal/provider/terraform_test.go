package provider_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// object is one of Terraform's, in its JSON syntax.
type object = map[string]any

// folder of the provider's binary, built once.
var folder = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "provider-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "terraform-provider-pattern"), "../..").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the provider: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := folder(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

type diagnostic struct {
	Severity, Summary, Detail, Address string
}

// terraform runs a command of the real Terraform on a configuration, and gives what it says with -json. Nothing of the
// surroundings reaches the provider.
func terraform(t *testing.T, provider, resources object, command string) []diagnostic {
	t.Helper()
	return parse(t, command, workspace(t, object{
		"provider": object{"pattern": provider},
		"resource": object{"pattern_sidecar": resources},
	})(command, "-json", "-no-color"))
}

// workspace gives what runs Terraform on a configuration and returns its standard output, whatever it thinks of it.
func workspace(t *testing.T, configuration object) func(args ...string) []byte {
	t.Helper()
	binaries, err := folder()
	require.NoError(t, err)
	program, err := exec.LookPath("terraform")
	require.NoError(t, err, "terraform must be installed and in PATH")
	dir := t.TempDir()
	configuration["terraform"] = object{"required_providers": object{"pattern": object{"source": "container-patterns/pattern"}}}
	raw, err := json.Marshal(configuration)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.tf.json"), raw, 0o600))
	rc := filepath.Join(dir, "cli.tfrc")
	require.NoError(t, os.WriteFile(rc, fmt.Appendf(nil, "provider_installation {\n  dev_overrides { \"container-patterns/pattern\" = %q }\n  direct {}\n}\n", binaries), 0o600))
	return func(args ...string) []byte {
		c := exec.Command(program, args...)
		c.Dir, c.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TF_CLI_CONFIG_FILE=" + rc, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1"}
		out, err := c.Output()
		var exit *exec.ExitError
		if err != nil {
			require.ErrorAs(t, err, &exit)
		}
		return out
	}
}

// parse one object (validate) or one a line (plan).
func parse(t *testing.T, command string, out []byte) (all []diagnostic) {
	t.Helper()
	if command == "validate" {
		var answer struct{ Diagnostics []diagnostic }
		require.NoError(t, json.Unmarshal(out, &answer), "%s", out)
		return answer.Diagnostics
	}
	for line := range strings.Lines(string(out)) {
		var answer struct {
			Type       string
			Diagnostic diagnostic
		}
		require.NoError(t, json.Unmarshal([]byte(line), &answer), "%s", line)
		if answer.Type == "diagnostic" {
			all = append(all, answer.Diagnostic)
		}
	}
	return all
}

// with gives a deep copy of an object in which the values at dotted paths are others; nil removes one.
func with(t *testing.T, o object, changes object) object {
	t.Helper()
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	var c object
	require.NoError(t, json.Unmarshal(raw, &c))
	for path, v := range changes {
		at, keys := c, strings.Split(path, ".")
		for _, k := range keys[:len(keys)-1] {
			if _, ok := at[k].(object); !ok {
				at[k] = object{}
			}
			at = at[k].(object)
		}
		if last := keys[len(keys)-1]; v == nil {
			delete(at, last)
		} else {
			at[last] = v
		}
	}
	return c
}
