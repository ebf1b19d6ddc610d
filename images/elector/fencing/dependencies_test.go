package fencing_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever takes these packages takes nothing else with them.
func TestDependencies(t *testing.T) {
	const module = "github.com/container-patterns/terraform-provider-pattern/images/elector/"
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".", "../client").Output()
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{module + "api", module + "client", module + "fencing"}, strings.Fields(string(out)))
}
