// Package images_test guards what the images are linked from.
package images_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/container-patterns/terraform-provider-pattern/"

// forbidden is what no image links, unless it is among its exceptions.
var forbidden = []struct{ prefix, why string }{
	{"github.com/hashicorp/terraform-plugin-", "an image knows nothing of Terraform"},
	{"k8s.io/", "an image that talks to no engine needs no client of one; this one alone costs tens of megabytes"},
	{"github.com/hashicorp/nomad", "an image that talks to no engine needs no client of one"},
	{"gocloud.dev", "its drivers register so much at the start that they need more memory than a sidecar may use; see images/logsaver/sink"},
	{"google.golang.org/grpc", "gRPC and what it brings need more memory than a sidecar may use"},
	{"github.com/stretchr/testify", "tests are not shipped"},
	{"testing", "tests are not shipped"},
	{module + "internal", "the provider's layers write the configuration that an image reads, and that is all they share"},
	{module + "test", "tests are not shipped"},
}

// exceptions are what single images need of the above, by image.
var exceptions = map[string][]string{
	"elector":  {"testing"}, // github.com/hashicorp/raft ships a few helpers for tests of its own
	"gatherer": nil,
	"logsaver": nil,
	"queue":    nil,
	"worker":   nil,
}

func TestDependencies(t *testing.T) {
	images := list(t, module+"images/...")
	found := map[string]bool{}
	for _, p := range images {
		if p.Name != "main" {
			continue
		}
		image, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, module+"images/"), "/")
		found[image] = true
		t.Run(image, func(t *testing.T) {
			allowed, known := exceptions[image]
			require.True(t, known, "images/%s is new: add it to exceptions, with what it needs", image)
			for _, dependency := range p.Deps {
				for _, rule := range forbidden {
					if matches(dependency, rule.prefix) && !below(dependency, allowed) {
						assert.Failf(t, "links "+dependency, "%s (go mod why -m shows by whom)", rule.why)
					}
				}
			}
		})
	}
	for image := range exceptions {
		assert.True(t, found[image], "images/%s is no more: take it off the list", image)
	}
}

// TestConfigIsLight holds because the provider links each image's config package.
func TestConfigIsLight(t *testing.T) {
	for _, p := range list(t, module+"images/.../config") {
		for _, dependency := range p.Deps {
			assert.NotContains(t, dependency, "prometheus", p.ImportPath)
			assert.NotEqual(t, "net/http", dependency, p.ImportPath)
		}
	}
}

type listed struct {
	Name, ImportPath string
	Deps             []string
}

func list(t *testing.T, pattern string) (packages []listed) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=Name,ImportPath,Deps", pattern).Output()
	require.NoError(t, err)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p listed
		require.NoError(t, decoder.Decode(&p))
		packages = append(packages, p)
	}
	require.NotEmpty(t, packages)
	return packages
}

// matches takes what ends in a slash or a dash as a prefix, and anything else as a whole path or a folder.
func matches(dependency, rule string) bool {
	if strings.HasSuffix(rule, "/") || strings.HasSuffix(rule, "-") {
		return strings.HasPrefix(dependency, rule)
	}
	return dependency == rule || strings.HasPrefix(dependency, rule+"/")
}

func below(dependency string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(dependency, prefix) {
			return true
		}
	}
	return false
}
