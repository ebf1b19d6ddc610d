package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/azure"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/client"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

const (
	earlier     = 5 * time.Minute // a token is replaced that long before it ends
	askedWithin = 10 * time.Second
)

// tokens gets and keeps a token of Microsoft Entra ID.
type tokens struct {
	client   *client.Client
	metadata string

	mu    sync.Mutex
	token string
	until time.Time
}

func newTokens(c *client.Client) *tokens { return &tokens{client: c, metadata: azure.Metadata} }

// forget makes the next request ask for a new token.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = ""
}

func (t *tokens) get(ctx context.Context, doing, target string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != "" && time.Now().Before(t.until) {
		return t.token, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askedWithin)
	defer cancel()
	request, err := azure.TokenRequest(ctx, t.metadata)
	if err != nil {
		return "", fault.Lasting(doing, target, fmt.Errorf("get credentials: %w", err), "correct AZURE_FEDERATED_TOKEN_FILE")
	}
	doing += ": get credentials for"
	var answer struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"` // a number from one, a string from the other
	}
	err = t.client.Do(doing, target, request, func(response *http.Response) error {
		if response.StatusCode != http.StatusOK {
			e := fault.FromStatus(doing, target, response, fault.Said(response))
			if e.Lasting {
				e.Advice = "set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or give the container a workload identity or the machine a managed one"
			}
			return e
		}
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
			return fault.Transient(doing, target, errors.New("the answer holds no token"))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	seconds, _ := strconv.Atoi(answer.Expires.String())
	t.token, t.until = answer.Token, time.Now().Add(time.Duration(seconds)*time.Second-earlier)
	return t.token, nil
}
