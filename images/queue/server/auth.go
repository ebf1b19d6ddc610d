package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

// who may do something.
type who int

const (
	client who = 1 << iota
	worker
	nobody who = 0 // needs no token
)

// tokens are kept as digests, so that comparing takes the same time whatever is compared.
type tokens struct {
	files  [2]tokenFile
	known  atomic.Pointer[[]token]
	looked atomic.Int64 // nanoseconds since 1970
}

type tokenFile struct {
	role who
	path string
}

type token struct {
	digest [sha256.Size]byte
	role   who
}

// Looked at again so often: a secret that was exchanged is known soon.
const tokensEvery = 2 * time.Second

func readTokens(c config.Tokens) (*tokens, error) {
	t := &tokens{files: [2]tokenFile{{client, c.ClientFile}, {worker, c.WorkerFile}}}
	t.looked.Store(time.Now().UnixNano())
	return t, t.read()
}

// read the files, one token a line. What was known stays where they cannot be read.
func (t *tokens) read() error {
	var known []token
	for _, file := range t.files {
		raw, err := os.ReadFile(file.path)
		if err != nil {
			return fmt.Errorf("read tokens: %w", err)
		}
		lines := strings.Fields(string(raw))
		if len(lines) == 0 {
			return fmt.Errorf("read tokens: %s is empty: it must hold a token", file.path)
		}
		for _, line := range lines {
			known = append(known, token{sha256.Sum256([]byte(line)), file.role})
		}
	}
	t.known.Store(&known)
	return nil
}

// of a request: what its token allows.
func (t *tokens) of(r *http.Request) who {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if text = strings.TrimSpace(text); !strings.EqualFold(scheme, "Bearer") || text == "" {
		return nobody
	}
	now := time.Now().UnixNano()
	if looked := t.looked.Load(); (now-looked > int64(tokensEvery) || now < looked) && t.looked.CompareAndSwap(looked, now) {
		_ = t.read() // those that are known stay; one request looks, the others go on
	}
	digest := sha256.Sum256([]byte(text))
	allowed := nobody
	for _, k := range *t.known.Load() {
		if subtle.ConstantTimeCompare(k.digest[:], digest[:]) == 1 {
			allowed |= k.role
		}
	}
	return allowed
}
