package peers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// recipes say how a peer is made from the folder of its name.
var recipes = map[string]recipe{
	"versitygw": compiled("github.com/versity/versitygw/cmd/versitygw"),
	"fakegcs":   compiled("github.com/fsouza/fake-gcs-server"),
	"loki":      compiled("github.com/grafana/loki/v3/cmd/loki"),
	"azurite": {
		files: []string{"package.json", "package-lock.json"},
		command: func(folder, target string) *exec.Cmd {
			return exec.Command("sh", "-c", `mkdir -p "$2" && cp "$1"/package*.json "$2" && npm ci --prefix "$2" --no-audit --no-fund --ignore-scripts`, "sh", folder, target)
		},
	},
}

// A recipe makes a target from the files of a folder; a target made of the same files is not made again.
type recipe struct {
	files   []string
	salt    string
	command func(folder, target string) *exec.Cmd
}

// compiled is a main package of the module in the folder.
func compiled(mainPackage string) recipe {
	return recipe{
		files: []string{"go.mod", "go.sum"},
		salt:  mainPackage + runtime.Version() + runtime.GOARCH,
		command: func(folder, target string) *exec.Cmd {
			build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", target, mainPackage)
			build.Dir = folder
			build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false")
			return build
		},
	}
}

// Names lists the peers that can be made, the quickest first.
func Names() []string { return []string{"azurite", "fakegcs", "versitygw", "loki"} }

// CacheDir is where what is made is kept: ${XDG_CACHE_HOME:-~/.cache}/terraform-provider-pattern/peers.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(base, "terraform-provider-pattern", "peers"), nil
}

// Make makes a peer, unless that has been done, and gives its path.
func Make(peer string) (string, error) {
	recipe, known := recipes[peer]
	if !known {
		return "", fmt.Errorf("no peer is called %q, only %s", peer, strings.Join(Names(), ", "))
	}
	_, here, _, _ := runtime.Caller(0)
	folder := filepath.Join(filepath.Dir(here), peer)
	key := sha256.New()
	for _, file := range recipe.files {
		content, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return "", err
		}
		key.Write(content)
	}
	fmt.Fprint(key, recipe.salt)
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	target := filepath.Join(cache, peer+"-"+hex.EncodeToString(key.Sum(nil)[:8]))

	// Packages are tested in processes of their own, and only one of them should do it.
	lock, err := os.OpenFile(target+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	unfinished := target + ".new"
	if err := os.RemoveAll(unfinished); err != nil { // what was broken off
		return "", err
	}
	if out, err := recipe.command(folder, unfinished).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make %s: %w\n%s", peer, err, out)
	}
	return target, os.Rename(unfinished, target)
}
