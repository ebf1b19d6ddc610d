package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// run has the real go test run over one test file.
func run(t *testing.T, file string, verbose bool) (failed bool, told string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.test/m\n\ngo 1.26\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m_test.go"), []byte("package m\n\nimport \"testing\"\n\n"+file), 0o644))
	c := exec.Command("go", "test", "-json", ".")
	c.Dir = dir
	out, _ := c.Output() // its status is what the report must tell
	var b strings.Builder
	failed, err := report(strings.NewReader(string(out)), &b, verbose)
	require.NoError(t, err)
	return failed, b.String()
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name, file    string
		verbose, fail bool
		says, omits   []string
	}{
		{
			name: "what passed is counted, and is silent",
			file: `func TestA(t *testing.T) { t.Log("chatter"); t.Run("inner", func(t *testing.T) {}) }`,
			says: []string{"2 passed, 0 failed, 0 skipped"}, omits: []string{"chatter", "TestA"},
		},
		{
			name: "a line for each test, if asked for", verbose: true,
			file: `func TestA(t *testing.T) { t.Run("inner", func(t *testing.T) {}) }`,
			says: []string{"ok    m TestA ("}, omits: []string{"inner"},
		},
		{
			name: "what failed is told with its own output, though others ran beside it", fail: true,
			file: `func TestA(t *testing.T) { t.Parallel(); t.Log("chatter") }
func TestB(t *testing.T) { t.Parallel(); t.Run("inner", func(t *testing.T) { t.Error("the reason") }) }`,
			says: []string{"FAIL  m TestB/inner", "the reason", "failed:\n      m TestB/inner\n                m_test.go:6: the reason\n      m TestB\n", "1 passed, 2 failed"}, omits: []string{"chatter"},
		},
		{
			name: "what was skipped is told with its reason",
			file: `func TestA(t *testing.T) { t.Skip("no moon") }`,
			says: []string{"TestA: m_test.go:5: no moon", "0 passed, 0 failed, 1 skipped"},
		},
		{
			name: "what does not compile is told", fail: true,
			file: `func TestA(t *testing.T) { undefined() }`,
			says: []string{"undefined: undefined", "m does not compile", "1 failed"},
		},
		{
			name: "a panic is told", fail: true,
			file: `func TestA(t *testing.T) { panic("alas") }`,
			says: []string{"alas"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed, told := run(t, c.file, c.verbose)
			assert.Equal(t, c.fail, failed)
			for _, s := range c.says {
				assert.Contains(t, told, s)
			}
			for _, s := range c.omits {
				assert.NotContains(t, told, s)
			}
		})
	}
}
