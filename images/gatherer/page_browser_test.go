package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/browser"
)

// narrow shows the tree as rows, and no wider than it should be.
func narrow(b *browser.Tab) {
	b.Narrow()
	b.Until(`document.querySelector("#tree svg").getAttribute("class") === "rows"`, "rows where it is narrow")
	b.Until(`document.querySelector("#tree svg").getBoundingClientRect().right <= 360`, "which fit")
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

	b := browser.Open(t)
	b.Run(chromedp.Navigate("http://"+root.management+"/"), chromedp.WaitVisible(chromedp.CSS("#main")))
	b.Run(chromedp.Evaluate[chromedp.Void]("window.same = 1; window.label = " + label))
	b.Until(`document.querySelectorAll("#tree [role=treeitem]").length === 7`, "the root, both parents, all leaves")
	b.Until(`label("root/parent 1.1/shard 3").startsWith("shard 3: well, 2 replicas")`, "the leaves of a parent")
	b.Until(`label("root").includes("all answers are complete") && /[1-9]\d* requests per second/.test(label("root"))`, "live numbers")
	b.Until(`document.querySelector("#coverage svg").getAttribute("aria-label").match(/([\d,]+) complete/)[1] !== "0"`, "coverage")
	assert.Equal(t, "<i>search</i>: root", browser.Eval[string](b, `document.querySelector("#name").textContent`), "what is told is text")
	before := browser.Eval[string](b, `document.querySelector("#coverage svg").getAttribute("aria-label")`)
	b.Until(fmt.Sprintf(`document.querySelector("#coverage svg").getAttribute("aria-label") !== %q`, before), "which go on")
	assert.Equal(t, "all is well", browser.Eval[string](b, `document.querySelector("#state").textContent`))
	b.Shot("well.png")

	// By the keyboard alone.
	b.Run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#only").focus()`), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.Until(`document.querySelector("#signs").open && document.querySelector("#legend").getBoundingClientRect().height > 0`, "the signs are explained")
	b.Run(chromedp.KeyEvent(kb.Tab))
	focused := func() string { return browser.Eval[string](b, `document.activeElement.dataset.id ?? ""`) }
	require.Equal(t, "root", focused(), "Tab leads to the tree")
	for _, step := range []struct{ key, to string }{
		{kb.ArrowRight, "root/parent 1.0"}, {kb.ArrowRight, "root/parent 1.0/shard 0"}, {kb.ArrowDown, "root/parent 1.0/shard 1"},
		{kb.ArrowDown, "root/parent 1.1"}, {kb.End, "root/parent 1.1/shard 3"}, {kb.ArrowLeft, "root/parent 1.1"}, {kb.Home, "root"}, {kb.ArrowUp, "root"},
		{kb.ArrowRight, "root/parent 1.0"}, {kb.ArrowRight, "root/parent 1.0/shard 0"},
	} {
		b.Run(chromedp.KeyEvent(step.key))
		require.Equal(t, step.to, focused())
	}
	assert.Contains(t, browser.Eval[string](b, `document.querySelector("#details").textContent`), shards[0][1].address(), "details of what has the focus")
	now := browser.Eval[string](b, `document.querySelector("#details").textContent`)
	b.Until(fmt.Sprintf(`document.querySelector("#details").textContent !== %q`, now), "they are live")
	require.Equal(t, "root/parent 1.0/shard 0", focused(), "and the focus stays")

	// A replica is killed, then all of a shard, and one is slow.
	shards[0][0].Close()
	b.Until(`label("root/parent 1.0/shard 0").includes("1 with an open breaker")`, "its breaker opens")
	b.Until(`document.querySelector("#details .breaker.open") && document.querySelector("#details").textContent.includes("connection refused")`, "and the details say why")
	b.Until(`document.querySelector('#tree [data-id="root/parent 1.0/shard 0"] .replica.open')`, "and the picture shows it")
	for _, l := range shards[1] {
		l.becomes(slow(40*time.Millisecond, says(`[]`)))
	}
	for _, l := range shards[3] {
		l.Close()
	}
	b.Until(`label("root/parent 1.1/shard 3").startsWith("shard 3: does not answer, ")`, "a shard that is missing")
	b.Until(`label("root").includes("some answers are partial")`, "makes answers partial")
	b.Until(`label("root/parent 1.1").includes("misses some answers")`, "those of its parent, too")
	b.Until(`[...document.querySelectorAll("#wrong li")].some((l) => l.textContent.includes("shard 3 does not answer"))`, "it is in the list of what is not well")
	b.Shot("trouble.png")
	b.Scheme("dark")
	b.Shot("dark.png")
	b.Scheme("light")

	b.Run(chromedp.Click(chromedp.CSS("#only")))
	b.Until(`!label("root/parent 1.1/shard 2") && label("root/parent 1.1/shard 3")`, "only what is not well")
	b.Run(chromedp.Click(chromedp.CSS("#only")))
	b.Until(`label("root/parent 1.1/shard 2")`, "all again")

	narrow(b)
	b.Shot("narrow.png")
	b.Run(chromedp.KeyEvent(kb.Escape))
	b.Until(`getComputedStyle(document.querySelector("#sheet")).display === "none"`, "Escape closes the details")
	b.Run(chromedp.EmulateViewport(1280, 900))

	// A parent disappears, then the root itself.
	parents[0].Terminate()
	b.Until(`label("root/parent 1.0").includes("what is below is not known now")`, "a parent that is gone")
	b.Until(`document.querySelector('#tree [data-id="root/parent 1.0/shard 1"]').classList.contains("stale")`, "what was below is remembered, and marked")
	assert.Equal(t, 1, browser.Eval[int](b, "window.same"), "all without a reload")
	assert.Equal(t, []string{root.management}, b.Hosts(), "nobody else is asked")
	assert.Empty(t, b.Wrong())
	root.Terminate()
	b.Until(`!document.querySelector("#trouble").hidden && document.querySelector("#trouble").textContent.includes("does not answer")`, "a gatherer that is away is said")
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

	b := browser.Open(t)
	b.Run(chromedp.Navigate("http://"+root.management+"/"), chromedp.WaitVisible(chromedp.CSS("#main")))
	b.Run(chromedp.Evaluate[chromedp.Void]("window.label = " + label))
	b.Until(`document.querySelectorAll("#tree .leaf").length === 64 && document.querySelectorAll("#tree .leaf .replica").length === 192`, "64 shards with 3 replicas")
	b.Until(`/95 of 100 requests take \d/.test(label("root/shard 63"))`, "with their latencies")
	b.Shot("wide.png")
	b.Run(chromedp.Evaluate[chromedp.Void](`
		window.news = 0; window.longest = 0;
		new PerformanceObserver((l) => l.getEntries().forEach((e) => longest = Math.max(longest, e.duration))).observe({ type: "longtask" });
		new PerformanceObserver((l) => news += l.getEntries().filter((e) => e.name.endsWith("/tree")).length).observe({ type: "resource" });`))
	b.Until(`news >= 4`, "news come each second")
	spent := browser.Eval[float64](b, `longest`)
	t.Logf("the longest task of the page took %.0f ms", spent)
	assert.Less(t, spent, 300.0, "and take no time worth noticing")
	b.Run(chromedp.Evaluate[chromedp.Void](`document.querySelector('#tree [data-id="root"]').focus()`), chromedp.KeyEvent(kb.End))
	require.Equal(t, "root/shard 63", browser.Eval[string](b, `document.activeElement.dataset.id`))
	b.Until(`(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.activeElement.getBoundingClientRect())`, "what has the focus is seen")
	leaves[5].becomes(fails(http.StatusServiceUnavailable))
	b.Until(`document.querySelectorAll("#tree .leaf.open").length >= 20`, "a server that fails is seen wherever it is a replica")
	b.Until(`document.querySelector("#wrong").textContent.includes("more")`, "the list says how many more there are")
	narrow(b)
	b.Run(chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.End))
	b.Until(`document.activeElement.dataset.id === "root/shard 63" && document.activeElement.getBoundingClientRect().bottom <= document.querySelector("#sheet").getBoundingClientRect().top`, "nor do the details cover what has the focus")
	b.Shot("wide-narrow.png")
	assert.Empty(t, b.Wrong())
}

func port(l *leaf) string {
	address := l.Listener.Addr().String()
	return address[strings.LastIndexByte(address, ':')+1:]
}
