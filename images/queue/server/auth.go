package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
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
	files map[who]string

	mu     sync.RWMutex
	known  map[[sha256.Size]byte]who
	looked time.Time
	seen   string
}

// Looked at again so often: a secret that was exchanged is known soon.
const tokensEvery = 2 * time.Second

func readTokens(c config.Tokens) (*tokens, error) {
	t := &tokens{files: map[who]string{client: c.ClientFile, worker: c.WorkerFile}}
	return t, t.read()
}

// read the files, one token a line. What was known stays where they cannot be read.
func (t *tokens) read() error {
	known := map[[sha256.Size]byte]who{}
	for role, file := range t.files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read tokens: %w", err)
		}
		lines := strings.Fields(string(raw))
		if len(lines) == 0 {
			return fmt.Errorf("read tokens: %s is empty: it must hold a token", file)
		}
		for _, line := range lines {
			known[sha256.Sum256([]byte(line))] |= role
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known, t.looked = known, time.Now()
	return nil
}

// of a request: what its token allows.
func (t *tokens) of(r *http.Request) who {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nobody
	}
	t.mu.RLock()
	stale := time.Since(t.looked) > tokensEvery
	t.mu.RUnlock()
	if stale {
		_ = t.read() // those that are known stay
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	allowed := nobody
	for k, role := range t.known {
		if subtle.ConstantTimeCompare(k[:], sum[:]) == 1 {
			allowed |= role
		}
	}
	return allowed
}
