package page_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/internal/queuetest"
)

// A tab of a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	hosts map[string]bool
	wrong []string
}

func openTab(t *testing.T) *tab {
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
	b := &tab{t: t, ctx: ctx, hosts: map[string]bool{}}
	require.NoError(t, chromedp.Do(ctx), "the browser starts")
	require.NoError(t, chromedp.Listen(ctx, b.hear))
	return b
}

// hear what the browser tells.
func (b *tab) hear(event any) {
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
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "401") { // a wrong token is answered so
			b.wrong = append(b.wrong, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, actions...))
}

func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	require.NoError(b.t, err)
	return v
}

// until an expression is true.
func (b *tab) until(js, what string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		return err == nil && ok
	}, 20*time.Second, 50*time.Millisecond, what)
}

func (b *tab) shot(name string) {
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	path := filepath.Join(b.t.ArtifactDir(), name)
	require.NoError(b.t, os.WriteFile(path, png, 0o600))
	b.t.Logf("screenshot: %s", path)
}

func TestThePageInABrowser(t *testing.T) {
	q := queuetest.Start(t, "{resize: {}, label: {from: [resize]}}")
	q.Push("a.png", "b.png", "c.png", "bad.png")
	leases := q.Receive("resize", 4)
	require.Len(t, leases, 4)
	q.Ack(leases[0].Lease, api.Output{Name: "a.png", Data: []byte("x")})
	q.Bury(leases[3].Lease, "exit code 3", "first line\n<b>not a picture</b>")

	b := openTab(t)
	b.run(chromedp.Navigate(q.URL+"/"), chromedp.WaitVisible(chromedp.CSS("#token")))
	b.run(chromedp.Evaluate[chromedp.Void]("window.same = 1"), chromedp.SendKeys(chromedp.CSS("#token"), "wrong"+kb.Enter))
	b.until(`document.querySelector("#signin-error").textContent.includes("not known") && document.querySelector("#main").hidden`, "a wrong token is said")
	b.run(chromedp.SendKeys(chromedp.CSS("#token"), queuetest.ClientToken+kb.Enter), chromedp.WaitVisible(chromedp.CSS("#main")))

	b.until(`document.querySelector('[data-stage=resize]')?.getAttribute("aria-label").includes("0 waiting, 2 in flight, 1 done, 1 dead letters")`, "the picture has the counts")
	b.until(`document.querySelector('[data-stage=label]').getAttribute("aria-label").includes("1 waiting")`, "of all stages")
	b.until(`document.querySelector("#instance").textContent === "orders"`, "it says whose queue it is")
	b.until(`document.querySelector("#dead tbody tr")?.textContent.includes("exit code 3")`, "a dead letter has its reason")
	assert.Equal(t, "first line\n<b>not a picture</b>", eval[string](b, `document.querySelector("#dead pre").textContent`), "and its error, as text")
	b.shot("wide.png")

	q.Push("later.png")
	b.until(`document.querySelector('[data-stage=resize]').getAttribute("aria-label").includes("1 waiting")`, "what changes is shown")

	// By the keyboard alone.
	b.run(chromedp.Evaluate[chromedp.Void]("document.activeElement.blur()"))
	focused := ""
	for range 60 {
		b.run(chromedp.KeyEvent(kb.Tab))
		if focused = eval[string](b, `document.activeElement.getAttribute("aria-label") ?? ""`); focused == "Redrive bad.png of resize" {
			break
		}
	}
	require.Equal(t, "Redrive bad.png of resize", focused, "Tab leads to the button")
	b.run(chromedp.KeyEvent(kb.Enter))
	require.Eventually(t, func() bool { return q.Item("resize", "bad.png").State == api.Waiting }, 20*time.Second, 50*time.Millisecond, "Enter redrives")
	b.until(`document.querySelector("#dead").textContent.includes("no dead letters")`, "and it is shown")

	b.run(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	b.until(`innerWidth === 360 && document.documentElement.scrollWidth <= 360`, "nothing is wider than a narrow screen")
	b.shot("narrow.png")

	// A server that comes again is found again.
	q.Stop()
	b.until(`!document.querySelector("#trouble").hidden`, "a server that is away is said")
	b.mu.Lock()
	b.wrong = nil // refused connections, which the browser tells
	b.mu.Unlock()
	q.Start()
	b.until(`document.querySelector("#trouble").hidden`, "and found again")
	assert.Equal(t, 1, eval[int](b, "window.same"), "all without a reload")

	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Equal(t, map[string]bool{strings.TrimPrefix(q.URL, "http://"): true}, b.hosts, "nobody else is asked")
	for _, w := range b.wrong {
		assert.Contains(t, w, "ERR_CONNECTION_REFUSED")
	}
}
