package saver

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
)

func TestLinesArriveInOrder(t *testing.T) {
	r := newRig(t).start()
	lines := numbered("line", 0, 5000)
	r.append("a.log", lines[:10]...)
	r.append("a.log", lines[10:]...)
	r.wait(slices.Clone(lines)...)
	assert.Equal(t, lines, r.store.lines())
	assert.True(t, strings.HasPrefix(r.store.names[0], "web-0/app/a.log/"), r.store.names[0])
}

func TestRotationByRename(t *testing.T) {
	r := newRig(t).start()
	var all []string
	for generation := range 8 {
		lines := numbered("generation "+string(rune('a'+generation)), 0, 500)
		all = append(all, lines...)
		r.append("a.log", lines...)
		for i := 5; i > 0; i-- {
			if _, err := os.Stat(r.path("a.log." + string(rune('0'+i-1)))); err == nil {
				r.rename("a.log."+string(rune('0'+i-1)), "a.log."+string(rune('0'+i)))
			}
		}
		r.wait(slices.Clone(all)...)
		r.rename("a.log", "a.log.0")
		r.append("a.log.0", "written after the rename "+string(rune('a'+generation)))
		all = append(all, "written after the rename "+string(rune('a'+generation)))
	}
	r.wait(slices.Clone(all)...)
	r.finish()
	r.start()
	r.finish()
	r.wait(all...)
	for name := range r.store.objects {
		assert.True(t, strings.HasPrefix(name, "web-0/app/a.log/"), "a rotated file keeps its stream: %s", name)
	}
}

func TestARenamedAndRemovedFileIsReadToItsEnd(t *testing.T) {
	r := newRig(t)
	r.store.away = true
	r.config.Spool.MaxBytes = 4 << 10 // next to nothing: the file itself is the buffer
	r.start()
	lines := numbered("line", 0, 3000)
	r.append("a.log", lines...)
	require.Eventually(t, func() bool { return r.saver.deliver.Status().Blocked }, 10*time.Second, time.Millisecond)
	require.NoError(t, os.Remove(r.path("a.log")))
	r.store.setAway(false)
	r.wait(lines...)
}

func TestALastLineWithoutEnd(t *testing.T) {
	t.Run("is held back until it ends", func(t *testing.T) {
		r := newRig(t).start()
		r.raw("a.log", "one\ntw")
		r.wait("one")
		r.stays("one")
		r.raw("a.log", "o\n")
		r.wait("one", "two")
	})
	t.Run("is taken when the saver ends, and what follows is marked", func(t *testing.T) {
		r := newRig(t).start()
		r.raw("a.log", "one\ntw")
		r.finish()
		r.wait("one", "tw")
		r.raw("a.log", "o\nthree\n")
		r.start()
		r.wait("one", "tw", "<continued> o", "three")
	})
	t.Run("is taken when the file has gone", func(t *testing.T) {
		r := newRig(t).start()
		r.raw("a.log", "one\ntwo")
		r.wait("one")
		require.NoError(t, os.Remove(r.path("a.log")))
		r.wait("one", "two")
		require.Eventually(t, func() bool { state, _ := r.saver.registry.snapshot(); return len(state.Files) == 0 }, 10*time.Second, time.Millisecond,
			"a file that has gone is forgotten")
	})
}

func TestLongLinesAreSplitAndMarked(t *testing.T) {
	r := newRig(t).start()
	r.append("a.log", "short", strings.Repeat("x", 2500), "short again")
	r.wait("short", strings.Repeat("x", 1024)+" <continues>", "<continued> "+strings.Repeat("x", 1024)+" <continues>",
		"<continued> "+strings.Repeat("x", 452), "short again")
	assert.Equal(t, 1, r.get(&r.split))
}

func TestMultiline(t *testing.T) {
	r := newRig(t, func(c *config.Config) {
		c.Inputs[0].Multiline = &config.Multiline{Preset: "java", Timeout: config.Duration(50 * time.Millisecond)}
	}).start()
	r.append("a.log", "ERROR no", "java.lang.Error: no", "\tat A.b(A.java:1)")
	r.wait("ERROR no", "java.lang.Error: no", "\tat A.b(A.java:1)") // nothing follows: the timeout ends the record
	assert.Len(t, r.store.objects, 1, "in one piece")
}

func TestFilesThatComeLater(t *testing.T) {
	r := newRig(t, func(c *config.Config) {
		c.Inputs[0].Paths = append(c.Inputs[0].Paths, strings.TrimSuffix(c.Inputs[0].Paths[0], "*.log")+"sub/*/*.txt")
	}).start()
	r.append("a.log", "first")
	r.wait("first")
	require.NoError(t, os.MkdirAll(r.path("sub/deep"), 0o755))
	r.append("sub/deep/b.txt", "second")
	r.wait("first", "second")
	require.NoError(t, os.WriteFile(r.path("target"), []byte("third\n"), 0o644))
	require.NoError(t, os.Symlink("target", r.path("link.log")))
	r.wait("first", "second", "third")
}

func TestWhereToBegin(t *testing.T) {
	tests := []struct {
		name, from string
		want       []string
	}{
		{name: "at the beginning, with what rotation put away", from: config.FromBeginning, want: []string{"old", "older", "new", "later"}},
		{name: "at the end of what is there at the first start", from: config.FromEnd, want: []string{"new", "later"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, func(c *config.Config) { c.Inputs[0].From = test.from })
			r.append("a.log.1", "older")
			r.append("a.log", "old")
			r.start()
			require.Eventually(t, func() bool { state, _ := r.saver.registry.snapshot(); return len(state.Inputs) == 1 }, 10*time.Second, time.Millisecond)
			r.append("a.log", "new")
			r.finish()
			r.append("b.log", "later") // not there at the very first start, although at the second
			r.start()
			r.wait(test.want...)
		})
	}
}

func TestManyFilesShareTheMemory(t *testing.T) {
	r := newRig(t)
	var all []string
	for i := range 200 {
		name := fmt.Sprintf("file-%d", i)
		lines := numbered(name, 0, 300)
		r.append(name+".log", lines...)
		all = append(all, lines...)
	}
	r.start()
	r.wait(all...)
}

func TestWhatTheSaverWritesIsNotFollowed(t *testing.T) {
	r := newRig(t, func(c *config.Config) {
		dir := strings.TrimSuffix(c.Inputs[0].Paths[0], "/*.log")
		c.Inputs[0].Paths = []string{dir + "/**/*"}
		c.StateDir, c.Sink.Bucket.URL = dir+"/state", "file://"+dir+"/saved"
	})
	require.NoError(t, os.Mkdir(r.path("saved"), 0o755))
	r.append("saved/object.log", "saved before")
	r.append("a.log", "line")
	r.start()
	r.wait("line")
	r.stays("line")
}
