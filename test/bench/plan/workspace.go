package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A workspace is a folder with a configuration of many instances and its state.
type workspace struct {
	dir, provider string
	instances     int
}

func (w *workspace) rc() string { return filepath.Join(w.dir, "cli.tfrc") }

func (w *workspace) prepare() error {
	if base := filepath.Base(w.provider); base != "terraform-provider-pattern" {
		return fmt.Errorf("the provider's binary must be called terraform-provider-pattern, not %s", base)
	}
	return os.WriteFile(w.rc(), fmt.Appendf(nil, "provider_installation {\n  dev_overrides { \"container-patterns/pattern\" = %q }\n  direct {}\n}\n", filepath.Dir(w.provider)), 0o600)
}

// write the configuration for an engine.
func (w *workspace) write(engine string, signIn object) error {
	container := object{"image": "registry.example.com/web:1", "ports": object{"http": object{"port": 8080}}}
	raw, err := json.Marshal(object{
		"terraform": object{"required_providers": object{"pattern": object{"source": "container-patterns/pattern"}}},
		"provider":  object{"pattern": object{engine: signIn}},
		"resource": object{"pattern_sidecar": object{"web": object{
			"count": w.instances, "name": "web-${count.index}", "replicas": 0,
			"main": container, "expose": object{"http": object{"port": 80}},
			"sidecars": object{"helper": object{"container": object{"image": "registry.example.com/helper:1"}}},
		}}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.dir, "main.tf.json"), raw, 0o600)
}

// terraform runs a command, and tells how long it took.
func (w *workspace) terraform(args ...string) (time.Duration, error) {
	c := exec.Command("terraform", append(args, "-input=false", "-no-color")...)
	c.Dir = w.dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TF_") && !strings.HasPrefix(v, "KUBE_") {
			c.Env = append(c.Env, v)
		}
	}
	c.Env = append(c.Env, "TF_CLI_CONFIG_FILE="+w.rc(), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	begun := time.Now()
	out, err := c.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("terraform %s: %w\n%s", strings.Join(args, " "), err, out[max(0, len(out)-3000):])
	}
	return time.Since(begun), nil
}
