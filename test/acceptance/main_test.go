//go:build acceptance

package acceptance

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What the tests are given by the environment; scripts/test.sh sets it.
var (
	engines     []string // of ENGINE
	binary      string   // of the provider
	toolsByName = map[string]string{}
	demoImage   string // serves, sleeps, ends: what a test asks for
	scratch     string // of this run, removed at its end
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "acceptance-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	scratch = dir
	for _, prepare := range []func() error{chooseEngines, findTools, findProvider, pushDemo} {
		if err := prepare(); err != nil {
			return fail(err)
		}
	}
	// Tests mostly wait for an engine; -parallel says otherwise.
	if err := flag.Set("test.parallel", "5"); err != nil {
		return fail(err)
	}
	return m.Run()
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "acceptance tests cannot begin:", err)
	return 1
}

func chooseEngines() error {
	needs := map[string][]string{"kubernetes": {"KUBECONFIG"}, "nomad": {"NOMAD_ADDR", "NOMAD_TOKEN"}}
	switch e := os.Getenv("ENGINE"); e {
	case "kubernetes", "nomad":
		engines = []string{e}
	case "", "all":
		engines = []string{"kubernetes", "nomad"}
	default:
		return fmt.Errorf("ENGINE is %q: it must be kubernetes, nomad or all", e)
	}
	for _, e := range engines {
		for _, v := range append(needs[e], "REGISTRY") {
			if os.Getenv(v) == "" {
				return fmt.Errorf("%s is not set: run test/engines/engines.sh up %s, then eval \"$(test/engines/engines.sh env)\"", v, e)
			}
		}
	}
	return nil
}

// findTools finds Terraform, and OpenTofu where the tests are given one.
func findTools() error {
	terraform := os.Getenv("TF_ACC_TERRAFORM_PATH")
	if terraform == "" {
		var err error
		if terraform, err = exec.LookPath("terraform"); err != nil {
			return fmt.Errorf("terraform is not in PATH: install it, or set TF_ACC_TERRAFORM_PATH")
		}
	}
	toolsByName["terraform"] = terraform
	if tofu := os.Getenv("TEST_TOFU"); tofu != "" {
		if _, err := os.Stat(tofu); err != nil {
			return fmt.Errorf("TEST_TOFU: %w", err)
		}
		toolsByName["tofu"] = tofu
	}
	return nil
}

// findProvider takes the binary that was built for this run, or builds it.
func findProvider() error {
	if binary = os.Getenv("TEST_PROVIDER"); binary != "" {
		_, err := os.Stat(binary)
		return err
	}
	binary = filepath.Join(scratch, "bin", "terraform-provider-pattern")
	build := exec.Command("go", "build", "-o", binary, "../..")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the provider: %w\n%s", err, out)
	}
	return nil
}

// pushDemo puts the workload of test/engines into the engines' registry.
func pushDemo() error {
	demoImage = os.Getenv("REGISTRY") + "/acceptance/demo:1"
	crane, err := exec.LookPath("crane")
	if err != nil {
		return fmt.Errorf("crane is not in PATH: eval \"$(test/engines/engines.sh env)\"")
	}
	layout := filepath.Join(filepath.Dir(crane), "build", "tools", "demo-image")
	for _, image := range []string{demoImage, demoTag("2")} {
		if out, err := exec.Command(crane, "push", layout, image).CombinedOutput(); err != nil {
			return fmt.Errorf("push %s: %w\n%s", image, err, out)
		}
	}
	return nil
}

// must have been given, for tests that need more than an engine.
func must(t *testing.T, variable string) string {
	t.Helper()
	v := os.Getenv(variable)
	if v == "" {
		t.Fatalf("%s is not set: run these tests by make acceptance", variable)
	}
	return v
}
