// Package azure stores objects in Azure Blob Storage: one Put Blob each, which the server checks against an MD5 of the content.
//
// The account comes from the URL or the environment (AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING). Requests are authorized by the first that is there of: a connection string, an account key (AZURE_STORAGE_KEY), a shared access signature (AZURE_STORAGE_SAS_TOKEN), a workload identity (AZURE_FEDERATED_TOKEN_FILE), a client secret (AZURE_CLIENT_SECRET), the managed identity of the machine.
package azure

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/azure"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/client"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

// A Container is a store; Azure's name for a bucket.
type Container struct {
	name    string
	account azure.Account
	tokens  *tokens
	client  *client.Client
}

// Open reads azblob://CONTAINER?storage_account=...; see images/internal/azure for what else may follow.
func Open(address *url.URL) (*Container, error) {
	if address.Host == "" {
		return nil, errors.New("a container is written as azblob://name")
	}
	if strings.Trim(address.Path, "/") != "" {
		return nil, fmt.Errorf("the path %q has no meaning, use bucket.prefix", address.Path)
	}
	a, err := azure.Parse(address.Query())
	if err != nil {
		return nil, err
	}
	c := &Container{name: address.Host, account: a, client: client.New(config.Auth{}, config.TLS{})}
	if a.Key == nil && a.SAS == nil {
		c.tokens = newTokens(c.client)
	}
	return c, nil
}

// Put stores an object.
func (c *Container) Put(ctx context.Context, key string, content []byte, contentType string) error {
	request, err := c.request(ctx, http.MethodPut, "/"+c.name+"/"+key, nil)
	if err != nil {
		return err
	}
	body := bytes.NewReader(content)
	request.ContentLength = body.Size()
	request.Body, request.GetBody = client.Body(body)
	sum := md5.Sum(content) // what the service checks; nobody's security rests on it
	request.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-Ms-Blob-Type", "BlockBlob")
	return c.do("put object", "azblob://"+c.name+"/"+key, request, nil)
}

// Check lists at most one name. Credentials that may write and not list are well, as far as can be told.
func (c *Container) Check(ctx context.Context) error {
	request, err := c.request(ctx, http.MethodGet, "/"+c.name, url.Values{"restype": {"container"}, "comp": {"list"}, "maxresults": {"1"}})
	if err != nil {
		return err
	}
	return c.do("check container", "azblob://"+c.name, request, func(code string) bool { return code == "AuthorizationPermissionMismatch" })
}

// Close closes idle connections.
func (c *Container) Close() error { return c.client.Close() }

func (c *Container) request(ctx context.Context, method, path string, query url.Values) (*http.Request, error) {
	address := *c.account.Endpoint
	address.Path = strings.TrimSuffix(address.Path, "/") + path
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, address.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-Ms-Version", azure.Version)
	return request, nil
}

// do authorizes and sends. An answer with a code that is well is no error.
func (c *Container) do(doing, target string, request *http.Request, well func(code string) bool) error {
	request.Header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
	switch {
	case c.account.Key != nil:
		c.account.Sign(request)
	case c.account.SAS != nil:
		query := request.URL.Query()
		for name, values := range c.account.SAS {
			query[name] = values
		}
		request.URL.RawQuery = query.Encode()
	default:
		token, err := c.tokens.get(request.Context(), doing, target)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return c.client.Do(doing, target, request, func(response *http.Response) error {
		if response.StatusCode/100 == 2 {
			return nil
		}
		return c.explain(doing, target, response, well)
	})
}

// explain turns the service's codes into what a person can do.
func (c *Container) explain(doing, target string, response *http.Response, well func(code string) bool) error {
	said := fault.Said(response)
	code := response.Header.Get("X-Ms-Error-Code")
	var answer struct{ Code, Message string }
	if xml.Unmarshal([]byte(strings.TrimPrefix(said, "\ufeff")), &answer) == nil && answer.Code != "" {
		code, said = answer.Code, answer.Code+": "+answer.Message
	}
	if well != nil && well(code) {
		return nil
	}
	e := fault.FromStatus(doing, target, response, said)
	switch code {
	case "ContainerNotFound", "ResourceNotFound":
		e.Advice = "make the container, or correct its name in sink.bucket.url"
	case "ContainerBeingDeleted", "ContainerDisabled":
		e.Lasting, e.Advice = false, "" // goes away within a minute
	case "Md5Mismatch":
		e.Lasting, e.Advice = false, "" // the network's fault
	case "AuthenticationFailed", "InvalidAuthenticationInfo":
		e.Advice = "check the account's key or signature, and the clock of this machine"
		if c.tokens != nil {
			c.tokens.forget()
		}
	case "AuthorizationPermissionMismatch":
		e.Advice = "grant the credentials Storage Blob Data Contributor on the container"
	case "AuthorizationFailure":
		e.Advice = "check the account's key or signature, and that its firewall lets this network in"
	}
	return e
}
