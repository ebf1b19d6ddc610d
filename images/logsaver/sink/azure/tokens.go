package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/client"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

const (
	resource    = "https://storage.azure.com/"
	authority   = "https://login.microsoftonline.com/"
	metadata    = "http://169.254.169.254/metadata/identity/oauth2/token"
	assertion   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
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

func newTokens(c *client.Client) *tokens { return &tokens{client: c, metadata: metadata} }

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
	request, err := t.request(ctx)
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

func (t *tokens) request(ctx context.Context) (*http.Request, error) {
	id, tenant := os.Getenv("AZURE_CLIENT_ID"), os.Getenv("AZURE_TENANT_ID")
	file, secret := os.Getenv("AZURE_FEDERATED_TOKEN_FILE"), os.Getenv("AZURE_CLIENT_SECRET")
	if id == "" || tenant == "" || file == "" && secret == "" {
		query := url.Values{"api-version": {"2018-02-01"}, "resource": {resource}}
		if id != "" {
			query.Set("client_id", id)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.metadata+"?"+query.Encode(), nil)
		if err == nil {
			request.Header.Set("Metadata", "true")
		}
		return request, err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "scope": {resource + ".default"}}
	if file != "" {
		signed, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		form.Set("client_assertion_type", assertion)
		form.Set("client_assertion", strings.TrimSpace(string(signed)))
	} else {
		form.Set("client_secret", secret)
	}
	host := authority
	if value := os.Getenv("AZURE_AUTHORITY_HOST"); value != "" {
		host = strings.TrimSuffix(value, "/") + "/"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, host+url.PathEscape(tenant)+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err == nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request, err
}
