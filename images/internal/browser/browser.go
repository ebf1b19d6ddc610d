// Package browser opens pages in a real browser, for tests of them.
package browser

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// patience is how long actions may take.
	patience = 30 * time.Second
	// within is how long a page may take to show something.
	within = 20 * time.Second
	tick   = 50 * time.Millisecond
)

// A Tab of a browser of its own, which ends with the test.
type Tab struct {
	t        *testing.T
	ctx      context.Context
	expected []string

	mu    sync.Mutex
	hosts map[string]bool
	wrong []string
}

// Open an empty tab. What the browser logs is not wrong if it has one of the expected texts.
func Open(t *testing.T, expected ...string) *Tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium: apt-get install chromium")
	}
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 900), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, closed := chromedp.NewContext(ctx)
	t.Cleanup(closed)
	b := &Tab{t: t, ctx: ctx, expected: expected, hosts: map[string]bool{}}
	require.NoError(t, chromedp.Do(ctx), "the browser starts")
	require.NoError(t, chromedp.Listen(ctx, b.hear))
	return b
}

// hear what the browser tells.
func (b *Tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" {
			b.hosts[u.Host] = true
		}
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.wrong = append(b.wrong, fmt.Sprint("console: ", e.Type, e.Args))
		}
	case *log.EventEntryAdded:
		expected := func(text string) bool { return strings.Contains(e.Entry.Text, text) }
		if e.Entry.Level == log.EntryLevelError && !slices.ContainsFunc(b.expected, expected) {
			b.wrong = append(b.wrong, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// Hosts that were asked for anything.
func (b *Tab) Hosts() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.hosts))
}

// Wrong is what went wrong: exceptions, and errors in the log and on the console.
func (b *Tab) Wrong() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.wrong)
}

// Forget what went wrong.
func (b *Tab) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = nil
}

// Run actions, one after the other.
func (b *Tab) Run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, actions...))
}

// Eval gives the value of an expression.
func Eval[T any](b *Tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	require.NoError(b.t, err, js)
	return v
}

// Until waits for an expression to be true.
func (b *Tab) Until(js, what string) {
	b.t.Helper()
	ok := assert.Eventually(b.t, func() bool {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		return err == nil && ok
	}, within, tick, what)
	if !ok {
		b.Shot("failed.png")
		b.t.Log(Eval[string](b, `document.body.innerText`))
		b.t.Fatal(b.Wrong())
	}
}

// Shot is a screenshot among the test's artifacts.
func (b *Tab) Shot(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	path := filepath.Join(b.t.ArtifactDir(), name)
	require.NoError(b.t, os.WriteFile(path, png, 0o600))
	b.t.Logf("screenshot: %s", path)
}

// Scheme of colours that the reader prefers: light or dark.
func (b *Tab) Scheme(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	require.NoError(b.t, err)
	b.Until(`matchMedia("(prefers-color-scheme: `+scheme+`)").matches`, scheme)
}

// Narrow makes it a phone, and waits until nothing is wider than its screen.
func (b *Tab) Narrow() {
	b.t.Helper()
	b.Run(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	b.Until(`innerWidth === 360 && document.documentElement.scrollWidth <= 360`, "nothing is wider than a narrow screen")
}
