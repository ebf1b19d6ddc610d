package azure

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const (
	resource  = "https://storage.azure.com/"
	authority = "https://login.microsoftonline.com/"
	assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// Metadata is where machines of Azure ask for tokens.
	Metadata = "http://169.254.169.254/metadata/identity/oauth2/token"
	// Version of the service's protocol: the first that has all that is used here on every cloud and in the emulator.
	Version = "2021-12-02"
)

// TokenRequest asks Microsoft Entra ID for a token: for a workload identity (AZURE_FEDERATED_TOKEN_FILE), a client secret
// (AZURE_CLIENT_SECRET), or the managed identity of the machine, whose metadata service is at an address.
func TokenRequest(ctx context.Context, metadata string) (*http.Request, error) {
	id, tenant := os.Getenv("AZURE_CLIENT_ID"), os.Getenv("AZURE_TENANT_ID")
	file, secret := os.Getenv("AZURE_FEDERATED_TOKEN_FILE"), os.Getenv("AZURE_CLIENT_SECRET")
	if id == "" || tenant == "" || file == "" && secret == "" {
		query := url.Values{"api-version": {"2018-02-01"}, "resource": {resource}}
		if id != "" {
			query.Set("client_id", id)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, metadata+"?"+query.Encode(), nil)
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
