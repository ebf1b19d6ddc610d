//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// The paper's example as examples/quickstart has it: a web server that knows nothing of log collection. Whatever happens to
// its containers, each request that was answered has its line in the bucket, once; and a sidecar that dies costs no request.
func TestTheQuickstartSavesEachRequestOnce(t *testing.T) {
	for _, v := range []string{"PATTERN_IMAGES_REPOSITORY", "PATTERN_IMAGES_TAG", "TEST_WEB_IMAGE"} {
		must(t, v)
	}
	on(t, func(s *stage) {
		store := peers.Versitygw(s.T)
		address := forward(s.T, strings.TrimPrefix(store.Endpoint, "http://"))
		store.MakeBucket(s.T, "logs")
		s.example("quickstart", map[string]string{
			"engine": s.name(), "web_image": os.Getenv("TEST_WEB_IMAGE"), "replicas": "2",
			"images_repository": os.Getenv("PATTERN_IMAGES_REPOSITORY"), "images_tag": os.Getenv("PATTERN_IMAGES_TAG"),
			"bucket_url": fmt.Sprintf("s3://logs?endpoint=http://%s&region=%s&use_path_style=true", address, store.Region),
			"access_key": store.AccessKey, "secret_key": store.SecretKey,
		})
		s.apply()
		s.unchanged("after the first apply")
		replicas := s.replicas(s.T, "web")
		require.Len(s, replicas, 2)
		victim := replicas[0]

		// Failure containment: requests by way of the service, and to both web servers themselves.
		client := &client{serving: func() []string {
			return append(s.serving(s.T, "web"), replicas[0].Address, replicas[1].Address)
		}}
		client.start(s.T)
		for n := range 3 {
			s.kill(victim, "logs")
			s.Logf("the log saver was killed %d times; %d requests were answered, %d were not", n+1, client.answers(), client.failures())
		}
		client.pause()
		require.Positive(s, client.answers(), "the web servers were asked")
		require.Zero(s, client.failures(), "a sidecar that is killed again and again costs no request")
		require.Zero(s, s.replica("web", victim.ID).Restarts["main"], "the web server did not notice")

		// Rotation, as logrotate does it: by a new name and SIGUSR1 while requests come, and by a copy while none do.
		client.start(s.T)
		for range 2 {
			s.rotate(victim, "rename")
			seen := client.answers()
			eventually(s.T, 30*time.Second, func() bool { return client.answers() > seen+20 }, "the web servers answer after a rotation")
		}
		client.pause()
		require.Zero(s, client.failures(), "a rotation costs no request")
		s.rotate(victim, "truncate")

		// A rolling update.
		client.serving = func() []string { return s.serving(s.T, "web") }
		client.start(s.T)
		before := client.answers()
		s.setenv("TF_VAR_replicas", "3")
		s.edit("main.tf", "image = var.web_image", "image = var.web_image\n    env   = { COLOUR = \"green\" }")
		r := s.apply()
		require.Equal(s, "update", r.Changes["pattern_sidecar.web"])
		s.Logf("rolling update in %s; %d requests were answered meanwhile, %d were not", r.Took.Round(time.Second), client.answers()-before, client.failures())
		assert.Greater(s, client.answers(), before, "the web servers were asked during the update")
		assert.Zero(s, client.failures(), "a rolling update costs no request")
		s.unchanged("after the update")
		for _, r := range s.replicas(s.T, "web") {
			assert.NotContains(s, []string{replicas[0].ID, replicas[1].ID}, r.ID)
		}

		// The web server itself is killed: what it has answered is in its file, and its log saver goes on.
		s.kill(s.replicas(s.T, "web")[0], "main")
		eventually(s.T, time.Minute, func() bool { return ready(s.replicas(s.T, "web")) == 3 }, "three replicas are ready again")
		client.pause()

		var missing, doubled, strange []int
		eventually(s.T, time.Minute, func() bool {
			missing, doubled, strange = client.compare(store.Objects(s.T, "logs"))
			return len(missing) == 0
		}, "lines are missing in the bucket")
		s.Logf("%d requests were answered, %d were not; %d objects", client.answers(), client.failures(), len(store.Objects(s.T, "logs")))
		assert.Empty(s, doubled, "lines that are there twice")
		assert.Empty(s, strange, "lines that nobody has sent")

		s.destroy()
		missing, doubled, strange = client.compare(store.Objects(s.T, "logs"))
		assert.Empty(s, append(append(missing, doubled...), strange...), "the same after the end")
	})
}

func ready(replicas []replica) (n int) {
	for _, r := range replicas {
		if r.Ready {
			n++
		}
	}
	return n
}

// example puts one of examples/ into the workspace, which reads the engine from the environment as a user's does.
func (s *stage) example(folder string, variables map[string]string) {
	s.Helper()
	files, err := filepath.Glob(filepath.Join("../../examples", folder, "*.*"))
	require.NoError(s, err)
	require.NotEmpty(s, files)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(s, err)
		require.NoError(s, os.WriteFile(filepath.Join(s.dir, filepath.Base(f)), raw, 0o600))
	}
	for name, value := range variables {
		s.setenv("TF_VAR_"+name, value)
	}
	switch s.name() {
	case "kubernetes":
		s.setenv("KUBE_CONFIG_PATH", os.Getenv("KUBECONFIG"))
		s.setenv("KUBE_NAMESPACE", s.namespace)
	case "nomad":
		s.setenv("NOMAD_ADDR", os.Getenv("NOMAD_ADDR"))
		s.setenv("NOMAD_TOKEN", os.Getenv("NOMAD_TOKEN"))
		s.setenv("NOMAD_NAMESPACE", s.namespace)
	}
}

// edit a file of the configuration.
func (s *stage) edit(file, old, new string) {
	s.Helper()
	path := filepath.Join(s.dir, file)
	raw, err := os.ReadFile(path)
	require.NoError(s, err)
	require.Contains(s, string(raw), old)
	require.NoError(s, os.WriteFile(path, []byte(strings.Replace(string(raw), old, new, 1)), 0o600))
}

func (s *stage) replica(instance, id string) replica {
	s.Helper()
	for _, r := range s.replicas(s.T, instance) {
		if r.ID == id {
			return r
		}
	}
	require.Fail(s, "the replica is gone", id)
	return replica{}
}

// kill all processes of a container with SIGKILL, and wait until it has been started again.
func (s *stage) kill(r replica, container string) {
	s.Helper()
	before := s.replica("web", r.ID)
	pids := s.pids(s.T, before, container)
	require.NotEmpty(s, pids, "no process of %s", container)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // those whose parent has ended may have ended with it
	}
	eventually(s.T, 90*time.Second, func() bool {
		now := s.replica("web", r.ID)
		if now.Restarts[container] <= before.Restarts[container] {
			return false
		}
		fresh := s.pids(s.T, now, container)
		return len(fresh) > 0 && !slices.Contains(fresh, pids[0])
	}, "%s was not started again", container)
}

// rotate the access log of a replica, in its web server's own container and as its own user.
func (s *stage) rotate(r replica, how string) {
	s.Helper()
	pids := s.pids(s.T, r, "main")
	require.NotEmpty(s, pids)
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pids[0]))
	require.NoError(s, err)
	owner := info.Sys().(*syscall.Stat_t)
	out, err := exec.Command("nsenter", "--target", strconv.Itoa(pids[0]), "--mount", "--pid",
		"--setuid", strconv.Itoa(int(owner.Uid)), "--setgid", strconv.Itoa(int(owner.Gid)), "--", "/usr/local/bin/rotate", how).CombinedOutput()
	require.NoError(s, err, "%s", out)
}

// A client sends numbered requests, one after the other. A web server closes the connection when it has written its log, so
// that a request counts as answered only if its line is in the file.
type client struct {
	serving func() []string

	mu               sync.Mutex
	sent             int
	answered, failed []int
	end              chan struct{}
	done             sync.WaitGroup
}

// start sending until pause.
func (c *client) start(t *testing.T) {
	c.end = make(chan struct{})
	end := c.end
	c.done.Go(func() {
		addresses, asked := c.serving(), time.Now()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-t.Context().Done():
				return
			case <-tick.C:
			}
			if time.Since(asked) > 250*time.Millisecond { // as often as a client of a catalogue looks into it
				addresses, asked = c.serving(), time.Now()
			}
			c.mu.Lock()
			c.sent++
			n := c.sent
			c.mu.Unlock()
			address, err := "nobody", errors.New("nobody serves")
			if len(addresses) > 0 {
				address = addresses[n%len(addresses)]
				err = request(address, n)
			}
			c.mu.Lock()
			if err == nil {
				c.answered = append(c.answered, n)
			} else {
				c.failed = append(c.failed, n)
				t.Logf("request %d to %s: %v", n, address, err)
			}
			c.mu.Unlock()
		}
	})
}

func (c *client) pause() {
	close(c.end)
	c.done.Wait()
}

func (c *client) answers() int  { c.mu.Lock(); defer c.mu.Unlock(); return len(c.answered) }
func (c *client) failures() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.failed) }

func request(address string, n int) error {
	conn, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /request/%d HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n", n); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn) // to the end
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		return fmt.Errorf("answered with %.40q", answer)
	}
	return nil
}

var line = regexp.MustCompile(`"GET /request/(\d+) `)

// compare what was answered with the lines in the objects of a bucket.
func (c *client) compare(objects map[string][]byte) (missing, doubled, strange []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := map[int]int{}
	for _, content := range objects {
		for _, m := range line.FindAllSubmatch(content, -1) {
			n, _ := strconv.Atoi(string(m[1]))
			count[n]++
		}
	}
	for _, n := range c.answered {
		if count[n] == 0 {
			missing = append(missing, n)
		}
	}
	for n, times := range count {
		if times > 1 {
			doubled = append(doubled, n)
		}
		if n < 1 || n > c.sent {
			strange = append(strange, n)
		}
	}
	return missing, doubled, strange
}

// forward connections at an address of this machine that the engines' containers reach, to one of its loopback.
func forward(t *testing.T, to string) (address string) {
	t.Helper()
	host, _, err := net.SplitHostPort(os.Getenv("REGISTRY")) // both engines reach it there
	require.NoError(t, err)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				go func() {
					_, _ = io.Copy(out, in)
					_ = out.(*net.TCPConn).CloseWrite()
				}()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	return listener.Addr().String()
}
