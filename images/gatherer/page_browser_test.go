package main_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
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
		if e.Entry.Level == log.EntryLevelError {
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
	require.NoError(b.t, err, js)
	return v
}

// until an expression is true.
func (b *tab) until(js, what string) {
	b.t.Helper()
	ok := assert.Eventually(b.t, func() bool {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		return err == nil && ok
	}, within, 50*time.Millisecond, what)
	if !ok {
		b.shot("failed.png")
		b.t.Log(eval[string](b, `document.body.innerText`))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatal(b.wrong)
	}
}

func (b *tab) shot(name string) {
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	path := filepath.Join(b.t.ArtifactDir(), name)
	require.NoError(b.t, os.WriteFile(path, png, 0o600))
	b.t.Logf("screenshot: %s", path)
}

// scheme of colours that the reader prefers.
func (b *tab) scheme(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	require.NoError(b.t, err)
	b.until(`matchMedia("(prefers-color-scheme: `+scheme+`)").matches`, scheme)
}

// narrow and no wider than it should be.
func (b *tab) narrow() {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	b.until(`innerWidth === 360 && document.querySelector("#tree svg").getAttribute("class") === "rows"`, "rows where it is narrow")
	b.until(`document.documentElement.scrollWidth <= 360 && document.querySelector("#tree svg").getBoundingClientRect().right <= 360`, "nothing is wider than a narrow screen")
}

// label of an item of the tree, as a screen reader says it.
const label = `(id) => document.querySelector('#tree [role=treeitem][data-id="' + id + '"]')?.getAttribute("aria-label") ?? ""`

// load asks g until the test ends.
func load(t *testing.T, g *gatherer) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					g.get("/q")
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); all.Wait() })
}

func TestThePageInABrowser(t *testing.T) {
	var shards [][]*leaf
	for range 4 {
		shards = append(shards, all(newLeaf(t, slow(2*time.Millisecond, says(`[]`))), newLeaf(t, slow(2*time.Millisecond, says(`[]`)))))
	}
	parents := newParents(t, shards)
	root := newGatherer(t, topK)
	root.config.Shards, root.config.Node.Depth = len(shards), 2
	root.config.Policy = config.Policy{Require: "2", Hedge: &config.Hedge{Budget: 0.1}}
	root.config.Identity.Instance = "<i>search</i>"
	for i, p := range parents {
		root.config.Children = append(root.config.Children, config.Child{Name: p.config.Node.Name, Shards: []int{2 * i, 2*i + 1}, Parent: true, URL: "http://" + p.address})
	}
	root.start()
	load(t, root)

	b := openTab(t)
	b.run(chromedp.Navigate("http://"+root.management+"/"), chromedp.WaitVisible(chromedp.CSS("#main")))
	b.run(chromedp.Evaluate[chromedp.Void]("window.same = 1; window.label = " + label))
	b.until(`document.querySelectorAll("#tree [role=treeitem]").length === 7`, "the root, both parents, all leaves")
	b.until(`label("root/parent 1.1/shard 3").startsWith("shard 3: well, 2 replicas")`, "the leaves of a parent")
	b.until(`label("root").includes("all answers are complete") && /[1-9]\d* requests per second/.test(label("root"))`, "live numbers")
	b.until(`document.querySelector("#coverage svg").getAttribute("aria-label").match(/([\d,]+) complete/)[1] !== "0"`, "coverage")
	assert.Equal(t, "<i>search</i>: root", eval[string](b, `document.querySelector("#name").textContent`), "what is told is text")
	before := eval[string](b, `document.querySelector("#coverage svg").getAttribute("aria-label")`)
	b.until(fmt.Sprintf(`document.querySelector("#coverage svg").getAttribute("aria-label") !== %q`, before), "which go on")
	assert.Equal(t, "all is well", eval[string](b, `document.querySelector("#state").textContent`))
	b.shot("well.png")

	// By the keyboard alone.
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#only").focus()`), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("#signs").open && document.querySelector("#legend").getBoundingClientRect().height > 0`, "the signs are explained")
	b.run(chromedp.KeyEvent(kb.Tab))
	focused := func() string { return eval[string](b, `document.activeElement.dataset.id ?? ""`) }
	require.Equal(t, "root", focused(), "Tab leads to the tree")
	for _, step := range []struct{ key, to string }{
		{kb.ArrowRight, "root/parent 1.0"}, {kb.ArrowRight, "root/parent 1.0/shard 0"}, {kb.ArrowDown, "root/parent 1.0/shard 1"},
		{kb.ArrowDown, "root/parent 1.1"}, {kb.End, "root/parent 1.1/shard 3"}, {kb.ArrowLeft, "root/parent 1.1"}, {kb.Home, "root"}, {kb.ArrowUp, "root"},
		{kb.ArrowRight, "root/parent 1.0"}, {kb.ArrowRight, "root/parent 1.0/shard 0"},
	} {
		b.run(chromedp.KeyEvent(step.key))
		require.Equal(t, step.to, focused())
	}
	assert.Contains(t, eval[string](b, `document.querySelector("#details").textContent`), shards[0][1].address(), "details of what has the focus")
	now := eval[string](b, `document.querySelector("#details").textContent`)
	b.until(fmt.Sprintf(`document.querySelector("#details").textContent !== %q`, now), "they are live")
	require.Equal(t, "root/parent 1.0/shard 0", focused(), "and the focus stays")

	// A replica is killed, then all of a shard, and one is slow.
	shards[0][0].Close()
	b.until(`label("root/parent 1.0/shard 0").includes("1 with an open breaker")`, "its breaker opens")
	b.until(`document.querySelector("#details .breaker.open") && document.querySelector("#details").textContent.includes("connection refused")`, "and the details say why")
	b.until(`document.querySelector('#tree [data-id="root/parent 1.0/shard 0"] .replica.open')`, "and the picture shows it")
	for _, l := range shards[1] {
		l.becomes(slow(40*time.Millisecond, says(`[]`)))
	}
	for _, l := range shards[3] {
		l.Close()
	}
	b.until(`label("root/parent 1.1/shard 3").startsWith("shard 3: does not answer, ")`, "a shard that is missing")
	b.until(`label("root").includes("some answers are partial")`, "makes answers partial")
	b.until(`label("root/parent 1.1").includes("misses some answers")`, "those of its parent, too")
	b.until(`[...document.querySelectorAll("#wrong li")].some((l) => l.textContent.includes("shard 3 does not answer"))`, "it is in the list of what is not well")
	b.shot("trouble.png")
	b.scheme("dark")
	b.shot("dark.png")
	b.scheme("light")

	b.run(chromedp.Click(chromedp.CSS("#only")))
	b.until(`!label("root/parent 1.1/shard 2") && label("root/parent 1.1/shard 3")`, "only what is not well")
	b.run(chromedp.Click(chromedp.CSS("#only")))
	b.until(`label("root/parent 1.1/shard 2")`, "all again")

	b.narrow()
	b.shot("narrow.png")
	b.run(chromedp.KeyEvent(kb.Escape))
	b.until(`getComputedStyle(document.querySelector("#sheet")).display === "none"`, "Escape closes the details")
	b.run(chromedp.EmulateViewport(1280, 900))

	// A parent disappears, then the root itself.
	parents[0].terminate()
	b.until(`label("root/parent 1.0").includes("what is below is not known now")`, "a parent that is gone")
	b.until(`document.querySelector('#tree [data-id="root/parent 1.0/shard 1"]').classList.contains("stale")`, "what was below is remembered, and marked")
	assert.Equal(t, 1, eval[int](b, "window.same"), "all without a reload")
	b.mu.Lock()
	assert.Equal(t, map[string]bool{root.management: true}, b.hosts, "nobody else is asked")
	assert.Empty(t, b.wrong)
	b.mu.Unlock()
	root.terminate()
	b.until(`!document.querySelector("#trouble").hidden && document.querySelector("#trouble").textContent.includes("does not answer")`, "a gatherer that is away is said")
}

// newParents are two, each with half of the shards.
func newParents(t *testing.T, shards [][]*leaf) []*gatherer {
	t.Helper()
	var out []*gatherer
	half := len(shards) / 2
	for i := range 2 {
		p := newGatherer(t, topK, shards[i*half:(i+1)*half]...)
		p.config.Node = config.Node{Name: fmt.Sprint("parent 1.", i), Level: 1, Depth: 2}
		p.config.Shards = len(shards)
		for j := range p.config.Children {
			p.config.Children[j].Name = fmt.Sprint("shard ", i*half+j)
			p.config.Children[j].Shards = []int{i*half + j}
		}
		out = append(out, p.start())
	}
	return out
}

func TestThePageOfAWideTree(t *testing.T) {
	var leaves []*leaf
	var shards [][]*leaf
	for range 8 { // real servers; each is the replica of many shards, by names that are all its own
		leaves = append(leaves, newLeaf(t, says(`[]`)))
	}
	for i := range 64 {
		var own []*leaf
		for j := range 3 {
			l := leaves[(i+j)%len(leaves)]
			own = append(own, &leaf{Server: l.Server, via: fmt.Sprintf("127.0.%d.%d:%s", i+1, j+1, port(l))})
		}
		shards = append(shards, own)
	}
	for _, l := range leaves { // reached by every address of the loopback
		l.Close()
	}
	leaves = nil
	ports := map[string]bool{}
	for _, own := range shards {
		for _, l := range own {
			if p := port(l); !ports[p] {
				ports[p] = true
				leaves = append(leaves, newLeafAt(t, "0.0.0.0:"+p, says(`[]`)))
			}
		}
	}
	root := newGatherer(t, topK, shards...)
	root.config.Policy = config.Policy{Require: "best_effort"}
	root.start()
	load(t, root)

	b := openTab(t)
	b.run(chromedp.Navigate("http://"+root.management+"/"), chromedp.WaitVisible(chromedp.CSS("#main")))
	b.run(chromedp.Evaluate[chromedp.Void]("window.label = " + label))
	b.until(`document.querySelectorAll("#tree .leaf").length === 64 && document.querySelectorAll("#tree .leaf .replica").length === 192`, "64 shards with 3 replicas")
	b.until(`/95 of 100 requests take \d/.test(label("root/shard 63"))`, "with their latencies")
	b.shot("wide.png")
	b.run(chromedp.Evaluate[chromedp.Void](`
		window.news = 0; window.longest = 0;
		new PerformanceObserver((l) => l.getEntries().forEach((e) => longest = Math.max(longest, e.duration))).observe({ type: "longtask" });
		new PerformanceObserver((l) => news += l.getEntries().filter((e) => e.name.endsWith("/tree")).length).observe({ type: "resource" });`))
	b.until(`news >= 4`, "news come each second")
	spent := eval[float64](b, `longest`)
	t.Logf("the longest task of the page took %.0f ms", spent)
	assert.Less(t, spent, 300.0, "and take no time worth noticing")
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector('#tree [data-id="root"]').focus()`), chromedp.KeyEvent(kb.End))
	require.Equal(t, "root/shard 63", eval[string](b, `document.activeElement.dataset.id`))
	b.until(`(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.activeElement.getBoundingClientRect())`, "what has the focus is seen")
	leaves[5].becomes(fails(http.StatusServiceUnavailable))
	b.until(`document.querySelectorAll("#tree .leaf.open").length >= 20`, "a server that fails is seen wherever it is a replica")
	b.until(`document.querySelector("#wrong").textContent.includes("more")`, "the list says how many more there are")
	b.narrow()
	b.run(chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.End))
	b.until(`document.activeElement.dataset.id === "root/shard 63" && document.activeElement.getBoundingClientRect().bottom <= document.querySelector("#sheet").getBoundingClientRect().top`, "nor do the details cover what has the focus")
	b.shot("wide-narrow.png")
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(t, b.wrong)
}

func port(l *leaf) string {
	address := l.Listener.Addr().String()
	return address[strings.LastIndexByte(address, ':')+1:]
}
