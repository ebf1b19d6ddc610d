// Command load puts a work queue under load over its HTTP API and tells what it does.
//
//	load -url URL -client-token-file FILE -worker-token-file FILE [-clients 64] [-batch 1] [-size 256] [-stage S] [-for 10s] [-items N] WHAT
//
// WHAT is one of
//
//	enqueue  clients push batches as fast as they are answered, for a time or until there are N items
//	claim    one item at a time is pushed to an idle queue that clients long-poll: the time from before the push to the answer
//	work     clients receive batches and acknowledge them, until nothing is left
//
// The figures are one line of JSON: requests and items per second, and percentiles of a request's time in milliseconds.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

type load struct {
	url, stage                  string
	client, worker              string
	clients, batch, size, items int
	limit                       time.Duration
	http                        *http.Client
	run                         string // makes names new
}

// figures of a run.
type figures struct {
	What              string  `json:"what"`
	Clients           int     `json:"clients"`
	Batch             int     `json:"batch"`
	Seconds           float64 `json:"seconds"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	ItemsPerSecond    float64 `json:"items_per_second"`
	P50Millis         float64 `json:"p50_ms"`
	P99Millis         float64 `json:"p99_ms"`
	MaxMillis         float64 `json:"max_ms"`
}

func main() {
	l := &load{run: fmt.Sprintf("%x", time.Now().UnixNano())}
	flag.StringVar(&l.url, "url", "http://127.0.0.1:8080", "")
	clientFile := flag.String("client-token-file", "", "")
	workerFile := flag.String("worker-token-file", "", "")
	flag.StringVar(&l.stage, "stage", "", "")
	flag.IntVar(&l.clients, "clients", 64, "")
	flag.IntVar(&l.batch, "batch", 1, "")
	flag.IntVar(&l.size, "size", 256, "bytes of an item")
	flag.IntVar(&l.items, "items", 0, "")
	flag.DurationVar(&l.limit, "for", 10*time.Second, "")
	flag.Parse()
	l.client, l.worker = token(*clientFile), token(*workerFile)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = l.clients+1, 0
	l.http = &http.Client{Transport: transport}
	what := map[string]func(context.Context) (*figures, error){"enqueue": l.enqueue, "claim": l.claim, "work": l.work}[flag.Arg(0)]
	if what == nil {
		fail(fmt.Errorf("want enqueue, claim or work, got %q", flag.Arg(0)))
	}
	f, err := what(context.Background())
	if err != nil {
		fail(err)
	}
	f.What, f.Clients, f.Batch = flag.Arg(0), l.clients, l.batch
	raw, _ := json.Marshal(f) // plain data
	fmt.Println(string(raw))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

func token(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		fail(err)
	}
	return strings.TrimSpace(string(raw))
}

// post a body and decode its answer.
func (l *load) post(path, token string, body []byte, into any) error {
	r, err := http.NewRequest(http.MethodPost, l.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := l.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, answer.Status, raw)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// body of a batch; names are given by the client, as one who sends again needs them.
func (l *load) body(client, n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	text := strings.Repeat("x", l.size)
	for i := range l.batch {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"%s-%d-%d-%d","text":"%s"`, l.run, client, n, i, text)
		if l.stage != "" {
			fmt.Fprintf(&b, `,"stage":"%s"`, l.stage)
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// many clients do something until it says that it is enough.
func (l *load) many(do func(client, n int) (items int, more bool, err error)) (*figures, error) {
	var all []time.Duration
	var items atomic.Int64
	var mu sync.Mutex
	var first error
	var clients sync.WaitGroup
	begun := time.Now()
	for c := range l.clients {
		clients.Go(func() {
			var took []time.Duration
			for n := 0; ; n++ {
				at := time.Now()
				got, more, err := do(c, n)
				if err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
				}
				if err != nil || !more {
					break
				}
				took = append(took, time.Since(at))
				items.Add(int64(got))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	clients.Wait()
	return figuresOf(time.Since(begun), all, items.Load()), first
}

func figuresOf(total time.Duration, all []time.Duration, items int64) *figures {
	slices.Sort(all)
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[min(len(all)-1, int(share*float64(len(all))))].Microseconds()) / 1000
	}
	s := total.Seconds()
	return &figures{
		Seconds: s, RequestsPerSecond: float64(len(all)) / s, ItemsPerSecond: float64(items) / s,
		P50Millis: at(0.5), P99Millis: at(0.99), MaxMillis: at(1),
	}
}

func (l *load) enqueue(context.Context) (*figures, error) {
	end := time.Now().Add(l.limit)
	var pushed atomic.Int64
	return l.many(func(client, n int) (int, bool, error) {
		if l.items > 0 && pushed.Add(int64(l.batch)) > int64(l.items) || l.items == 0 && time.Now().After(end) {
			return 0, false, nil
		}
		var out api.EnqueueAnswer
		if l.batch == 1 {
			return 1, true, l.post("/v1/items", l.client, l.body(client, n), nil)
		}
		if err := l.post("/v1/items", l.client, l.body(client, n), &out); err != nil {
			return 0, false, err
		}
		for _, i := range out.Items {
			if i.Error != nil || i.Duplicate {
				return 0, false, fmt.Errorf("not enqueued: %+v", i)
			}
		}
		return l.batch, true, nil
	})
}

func (l *load) receivePath() string { return "/v1/stages/" + l.stage + "/receive" }

func (l *load) claim(context.Context) (*figures, error) {
	l.batch = 1
	got := make(chan string, 1<<20) // nobody waits to tell of it
	ended := make(chan struct{})
	var pollers sync.WaitGroup
	for c := range l.clients {
		pollers.Go(func() {
			for {
				var in api.ReceiveAnswer
				err := l.post(l.receivePath(), l.worker, fmt.Appendf(nil, `{"worker":"w-%d","max":1,"wait":"1s"}`, c), &in)
				if err != nil {
					fail(err)
				}
				for _, lease := range in.Leases {
					got <- lease.Name
					if err := l.post("/v1/leases/ack", l.worker, fmt.Appendf(nil, `{"items":[{"lease":%q}]}`, lease.Lease), nil); err != nil {
						fail(err)
					}
				}
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	begun := time.Now()
	var all []time.Duration
	for n := 0; time.Since(begun) < l.limit; n++ {
		at := time.Now()
		pushed := make(chan error, 1)
		go func() { pushed <- l.post("/v1/items", l.client, l.body(0, n), nil) }()
		<-got
		all = append(all, time.Since(at))
		if err := <-pushed; err != nil {
			return nil, err
		}
	}
	total := time.Since(begun)
	close(ended)
	pollers.Wait()
	return figuresOf(total, all, int64(len(all))), nil
}

func (l *load) work(context.Context) (*figures, error) {
	return l.many(func(client, _ int) (int, bool, error) {
		var in api.ReceiveAnswer
		if err := l.post(l.receivePath(), l.worker, fmt.Appendf(nil, `{"worker":"w-%d","max":%d}`, client, min(l.batch, 100)), &in); err != nil || len(in.Leases) == 0 {
			return 0, false, err
		}
		var acks api.AckRequest
		for _, lease := range in.Leases {
			acks.Items = append(acks.Items, api.Ack{Lease: lease.Lease})
		}
		body, err := json.Marshal(acks)
		if err != nil {
			return 0, false, err
		}
		var out api.ResultsAnswer
		if err := l.post("/v1/leases/ack", l.worker, body, &out); err != nil {
			return 0, false, err
		}
		for _, r := range out.Results {
			if r != nil {
				return 0, false, r
			}
		}
		return len(in.Leases), true, nil
	})
}
