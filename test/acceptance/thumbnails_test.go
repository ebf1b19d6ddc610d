//go:build acceptance

package acceptance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	_ "image/png" // how the thumbnails are checked
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// How many pictures go through the pipeline.
const pictures = 500

// The paper's work queue as examples/scenarios/thumbnails has it: 500 pictures through three stages of an unmodified
// ImageMagick, while workers, the queue's server and the node's agent are killed at random. Each picture comes out once,
// as the same file that the same commands make of it by hand.
//
// It is not parallel: it kills the agent of the only node.
func TestThumbnailsOfAllPicturesWhateverIsKilled(t *testing.T) {
	for _, v := range []string{"PATTERN_IMAGES_REPOSITORY", "PATTERN_IMAGES_TAG", "TEST_IMAGEMAGICK_IMAGE", "TEST_PICTURES"} {
		must(t, v)
	}
	inputs := choosePictures(t)
	wanted := thumbnailsByHand(t, inputs)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := newStage(t, engine, "terraform")
			store := peers.Versitygw(t)
			address := forward(t, strings.TrimPrefix(store.Endpoint, "http://"))
			store.MakeBucket(t, "pictures")
			store.MakeBucket(t, "thumbnails")
			bucket := func(name string) string {
				return fmt.Sprintf("s3://%s?endpoint=http://%s&region=%s&use_path_style=true", name, address, store.Region)
			}
			s.example("scenarios/thumbnails", map[string]string{
				"engine": s.name(), "imagemagick_image": os.Getenv("TEST_IMAGEMAGICK_IMAGE"),
				"images_repository": os.Getenv("PATTERN_IMAGES_REPOSITORY"), "images_tag": os.Getenv("PATTERN_IMAGES_TAG"),
				"pictures_url": bucket("pictures"), "thumbnails_url": bucket("thumbnails"),
				"access_key": store.AccessKey, "secret_key": store.SecretKey,
			})
			s.setenv("TF_VAR_wait", "false")
			s.apply()
			begun := time.Now()
			havoc, agentKilled := s.startHavoc("thumbnails")
			put := 0
			for name, path := range inputs {
				if put++; put > pictures/2 { // the others come after it, however quick the first are
					select {
					case <-agentKilled:
					case <-time.After(3 * time.Minute):
						require.FailNow(t, "the node's agent was never killed")
					}
				}
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				store.Put(t, "pictures", name, content)
			}
			eventually(t, 5*time.Minute, func() bool { return len(store.Objects(t, "thumbnails")) >= pictures }, "thumbnails are missing")
			kills := havoc()
			t.Logf("%d pictures in %s, while these were killed: %v", pictures, time.Since(begun).Round(time.Second), kills)
			for _, kind := range []string{"a worker", "the queue's server", "the node's agent"} {
				assert.NotZero(t, kills[kind], "%s was never killed", kind)
			}

			calm := 0 // what was killed last is replaced by the engine; before, an apply would rightly fail
			eventually(t, 4*time.Minute, func() bool {
				calm++
				if all := s.replicas(t, "thumbnails"); len(all) < 2 || ready(all) != len(all) {
					calm = 0
				}
				return calm == 40 // eight seconds
			}, "the engine has not recovered")
			s.setenv("TF_VAR_wait", "true")
			s.apply() // until the queue says that nothing is left to do
			got := store.Objects(t, "thumbnails")
			assert.Len(t, got, pictures)
			for name, sum := range wanted {
				content, ok := got[name]
				if !assert.True(t, ok, "there is no thumbnail %s", name) {
					continue
				}
				config, _, err := image.DecodeConfig(bytes.NewReader(content))
				require.NoError(t, err, name)
				assert.Equal(t, []int{136, 136}, []int{config.Width, config.Height}, name)
				assert.Equal(t, sum, digestOf(content), "%s is not what the commands make of it by hand", name)
			}
			for stage, counts := range s.instance("thumbnails")["counts"].(map[string]any) {
				c := counts.(map[string]any)
				assert.EqualValues(t, pictures, c["done"], stage)
				for _, state := range []string{"waiting", "delayed", "in_flight", "dead"} {
					assert.Contains(t, []any{nil, float64(0)}, c[state], "%s: %s", stage, state)
				}
			}
			s.unchanged("after all is done")
			s.destroy()
			assert.Empty(t, slices.DeleteFunc(s.left(t, "thumbnails"), func(o string) bool {
				return strings.HasPrefix(o, "persistentvolumeclaims/") // the queue's data is kept
			}))
		})
	}
}

// choosePictures gives 500 pictures of Debian's package by the names that they have in the bucket.
func choosePictures(t *testing.T) map[string]string {
	t.Helper()
	root := os.Getenv("TEST_PICTURES")
	var all []string
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && strings.HasSuffix(path, ".png") {
			all = append(all, path)
		}
		return err
	}))
	slices.Sort(all)
	require.GreaterOrEqual(t, len(all), pictures, "pictures below %s", root)
	chosen := map[string]string{}
	for _, path := range all[:pictures] {
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		chosen[name] = path
	}
	return chosen
}

// thumbnailsByHand runs the example's own commands, one after the other, and gives the digests of what they make.
func thumbnailsByHand(t *testing.T, inputs map[string]string) map[string]string {
	t.Helper()
	convert := must(t, "TEST_CONVERT")
	raw, err := os.ReadFile("../../examples/scenarios/thumbnails/main.tf")
	require.NoError(t, err)
	quoted := regexp.MustCompile(`"([^"]*)"`)
	words := func(list string) (out []string) {
		for _, m := range quoted.FindAllStringSubmatch(list, -1) {
			out = append(out, m[1])
		}
		return out
	}
	common := regexp.MustCompile(`(?m)^\s*convert = \[(.*)\]$`).FindStringSubmatch(string(raw))
	require.NotNil(t, common)
	commands := regexp.MustCompile(`command = concat\(local\.convert, \[(.*)\]\)`).FindAllStringSubmatch(string(raw), -1)
	require.Len(t, commands, 3, "the example's stages")

	dir := t.TempDir()
	names := make(chan string)
	var mu sync.Mutex
	var workers sync.WaitGroup
	digests := map[string]string{}
	for n := range 2 {
		workers.Go(func() {
			for name := range names {
				in := inputs[name]
				for i, c := range commands {
					out := filepath.Join(dir, fmt.Sprintf("%d-%d.png", n, i))
					args := append(words(common[1])[1:], words(c[1])...)
					for j := range args {
						args[j] = strings.NewReplacer("$(WORK_ITEM_FILE)", in, "$(WORK_OUTPUT_FILE)", out).Replace(args[j])
					}
					said, err := exec.Command(convert, args...).CombinedOutput()
					assert.NoError(t, err, "%s: %s", name, said)
					in = out
				}
				content, err := os.ReadFile(in)
				assert.NoError(t, err)
				mu.Lock()
				digests[name] = digestOf(content)
				mu.Unlock()
			}
		})
	}
	for name := range inputs {
		names <- name
	}
	close(names)
	workers.Wait()
	require.Len(t, digests, len(inputs))
	return digests
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// startHavoc kills something of an instance every other second, until the returned function is called, which tells how often what was.
func (s *stage) startHavoc(instance string) (stop func() map[string]int, agentKilled <-chan struct{}) {
	end, ended := make(chan struct{}), make(chan struct{})
	kills, first := map[string]int{}, make(chan struct{})
	kill := func(what string, of func(replica) bool) {
		var candidates []replica
		for _, r := range s.replicas(s.T, instance) {
			if of(r) && (r.ids == nil || r.ids["main"] != "") { // it has been started
				candidates = append(candidates, r)
			}
		}
		if len(candidates) == 0 {
			return
		}
		victim := candidates[rand.IntN(len(candidates))]
		// Kubernetes lets a container that ends again and again wait for minutes: then its Pod goes, at once and without a word.
		if k, ok := s.cluster.(*kube); ok && victim.Restarts["main"] >= 2 {
			_ = k.try(http.MethodDelete, k.at("/api/v1 pods/%s?gracePeriodSeconds=0", victim.ID), nil, nil) // it may be gone
			kills[what]++
			return
		}
		pids := s.pids(s.T, victim, "main")
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		if len(pids) > 0 {
			kills[what]++
		}
	}
	node := map[string]string{"kubernetes": "node1", "nomad": "client1"}[s.name()]
	go func() {
		defer close(ended)
		tick := time.NewTicker(1500 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			const agent = "the node's agent"
			switch {
			case n >= 36 && kills[agent] > 0:
				continue // what is left to do is done in peace
			case n >= 6 && kills[agent] < 1, n >= 18 && kills[agent] < 2:
				// Not while something begins: a Nomad that is killed then cannot go on with it. Nor while a deployment goes on, in
				// which Nomad replaces nothing that has failed before the deployment's deadline, which is long.
				if all := s.replicas(s.T, instance); ready(all) != len(all) || !s.settled(s.T, instance) {
					continue
				}
				out, err := exec.Command("../engines/node.sh", "agent", node).CombinedOutput()
				if assert.NoError(s, err, "%s", out) {
					if kills[agent]++; kills[agent] == 1 {
						close(first)
					}
				}
			case n%4 == 2:
				kill("the queue's server", func(r replica) bool { return r.Group == "queue" })
			default:
				kill("a worker", func(r replica) bool { return r.Group != "queue" })
			}
		}
	}()
	return func() map[string]int {
		close(end)
		<-ended
		return kills
	}, first
}
