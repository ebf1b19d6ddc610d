package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
)

const (
	// askEvery is how old what parents have told may be before they are asked again. Nobody asks while nobody looks.
	askEvery = 700 * time.Millisecond
	// treeTime is what a root gives for all that is below it; each level gives less to the next, so that a tree which goes round
	// in a circle ends, too.
	treeTime     = 800 * time.Millisecond
	leastTime    = 50 * time.Millisecond
	maxTreeBytes = 32 << 20
	keptFor      = time.Minute
)

// client of parents. It is not that of requests: looking must not change what is looked at.
var client = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 10 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: 32 << 10},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// parent is what one has told.
type parent struct {
	mu      sync.Mutex
	tree    *Node
	from    string
	at      time.Time
	trouble string
}

// askParents that have not been asked lately, all at once.
func (w *Watcher) askParents(ctx context.Context) {
	w.asking.Lock()
	defer w.asking.Unlock()
	if len(w.parents) == 0 || time.Since(w.asked) < askEvery {
		return
	}
	deadline, ok := ctx.Deadline()
	if limit := time.Now().Add(treeTime); !ok || deadline.After(limit) {
		deadline = limit
	}
	left := time.Until(deadline) * 4 / 5
	if left < leastTime {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	var all sync.WaitGroup
	for child, p := range w.parents {
		all.Go(func() { p.ask(ctx, child, w.Node.Level+1) })
	}
	all.Wait()
	w.asked = time.Now()
}

// ask one replica, the one that has told before if it is there, else the next.
func (p *parent) ask(ctx context.Context, child *scatter.Child, level int) {
	p.mu.Lock()
	from := p.from
	p.mu.Unlock()
	err := errors.New("no replica is known")
	for _, address := range candidates(child, from) {
		var tree *Node
		if tree, err = askOne(ctx, child, address, level); err == nil {
			p.mu.Lock()
			p.tree, p.from, p.at, p.trouble = tree, address, time.Now(), ""
			p.mu.Unlock()
			return
		}
	}
	p.mu.Lock()
	p.trouble = err.Error()
	p.mu.Unlock()
}

// maxCandidates are asked at most: another look comes soon.
const maxCandidates = 2

// candidates are the replicas to ask: those that answer requests first, and of these the one that was asked before.
func candidates(child *scatter.Child, before string) []string {
	all := child.Set.Status().Replicas
	var out []string
	for _, well := range []bool{true, false} {
		for _, r := range all {
			if (r.Breaker == closed) == well {
				out = append(out, r.Address)
			}
		}
		if at := slices.Index(out, before); at > 0 && well {
			out[0], out[at] = out[at], out[0]
		}
	}
	return out[:min(len(out), maxCandidates)]
}

func askOne(ctx context.Context, child *scatter.Child, address string, level int) (*Node, error) {
	prefix, host := child.Target()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+prefix+"/", nil)
	if err != nil {
		return nil, fmt.Errorf("the tree of %s: %w", address, err)
	}
	if host != "" {
		request.Host = host
	}
	request.Header.Set(contract.HeaderTree, "1")
	request.Header.Set(contract.HeaderLevel, strconv.Itoa(level))
	if deadline, ok := ctx.Deadline(); ok {
		request.Header.Set(contract.HeaderDeadline, strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10))
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the tree of %s: %w", address, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the tree of %s: status %d", address, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxTreeBytes))
	if err != nil {
		return nil, fmt.Errorf("the tree of %s: %w", address, err)
	}
	var tree Node
	if err := json.Unmarshal(body, &tree); err != nil {
		return nil, fmt.Errorf("the tree of %s: %w", address, err)
	}
	return &tree, nil
}

// tell what is known of the tree below a child.
func (p *parent) tell(c *Child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Trouble = p.trouble
	if p.tree == nil || time.Since(p.at) > keptFor {
		return
	}
	c.Tree, c.From, c.Age = p.tree, p.from, time.Since(p.at).Seconds()
}
