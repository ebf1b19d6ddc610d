package page_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/browser"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/internal/queuetest"
)

func TestThePageInABrowser(t *testing.T) {
	q := queuetest.Start(t, "{resize: {}, label: {from: [resize]}}")
	q.Push("a.png", "b.png", "c.png", "bad.png")
	leases := q.Receive("resize", 4)
	require.Len(t, leases, 4)
	q.Ack(leases[0].Lease, api.Output{Name: "a.png", Data: []byte("x")})
	q.Bury(leases[3].Lease, "exit code 3", "first line\n<b>not a picture</b>")

	b := browser.Open(t, "401", "ERR_CONNECTION_REFUSED") // the answer to a wrong token, and a server that is away
	b.Run(chromedp.Navigate(q.URL+"/"), chromedp.WaitVisible(chromedp.CSS("#token")))
	b.Run(chromedp.Evaluate[chromedp.Void]("window.same = 1"), chromedp.SendKeys(chromedp.CSS("#token"), "wrong"+kb.Enter))
	b.Until(`document.querySelector("#signin-error").textContent.includes("not known") && document.querySelector("#main").hidden`, "a wrong token is said")
	b.Run(chromedp.SendKeys(chromedp.CSS("#token"), queuetest.ClientToken+kb.Enter), chromedp.WaitVisible(chromedp.CSS("#main")))

	b.Until(`document.querySelector('[data-stage=resize]')?.getAttribute("aria-label").includes("0 waiting, 2 in flight, 1 done, 1 dead letters")`, "the picture has the counts")
	b.Until(`document.querySelector('[data-stage=label]').getAttribute("aria-label").includes("1 waiting")`, "of all stages")
	b.Until(`document.querySelector("#instance").textContent === "orders"`, "it says whose queue it is")
	b.Until(`document.querySelector("#dead tbody tr")?.textContent.includes("exit code 3")`, "a dead letter has its reason")
	assert.Equal(t, "first line\n<b>not a picture</b>", browser.Eval[string](b, `document.querySelector("#dead pre").textContent`), "and its error, as text")
	b.Shot("wide.png")

	q.Push("later.png")
	b.Until(`document.querySelector('[data-stage=resize]').getAttribute("aria-label").includes("1 waiting")`, "what changes is shown")

	// By the keyboard alone.
	b.Run(chromedp.Evaluate[chromedp.Void]("document.activeElement.blur()"))
	focused := ""
	for range 60 {
		b.Run(chromedp.KeyEvent(kb.Tab))
		if focused = browser.Eval[string](b, `document.activeElement.getAttribute("aria-label") ?? ""`); focused == "Redrive bad.png of resize" {
			break
		}
	}
	require.Equal(t, "Redrive bad.png of resize", focused, "Tab leads to the button")
	b.Run(chromedp.KeyEvent(kb.Enter))
	require.Eventually(t, func() bool { return q.Item("resize", "bad.png").State == api.Waiting }, 20*time.Second, 50*time.Millisecond, "Enter redrives")
	b.Until(`document.querySelector("#dead").textContent.includes("no dead letters")`, "and it is shown")

	b.Narrow()
	b.Shot("narrow.png")

	// A server that comes again is found again.
	q.Stop()
	b.Until(`!document.querySelector("#trouble").hidden`, "a server that is away is said")
	b.Forget() // connections that were cut off
	q.Start()
	b.Until(`document.querySelector("#trouble").hidden`, "and found again")
	assert.Equal(t, 1, browser.Eval[int](b, "window.same"), "all without a reload")

	assert.Equal(t, []string{strings.TrimPrefix(q.URL, "http://")}, b.Hosts(), "nobody else is asked")
	assert.Empty(t, b.Wrong())
}
