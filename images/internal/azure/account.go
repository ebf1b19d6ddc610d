// Package azure is how a storage account of Azure is reached: its address, and what authorizes requests to it.
package azure

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
)

// Account is the storage account, and what authorizes requests to it if it is not a token.
type Account struct {
	Name     string
	Endpoint *url.URL
	Key      []byte
	SAS      url.Values
}

// Parse reads the URL's parameters (storage_account, domain, protocol, localemu) and the environment.
func Parse(query url.Values) (Account, error) {
	a := Account{Name: os.Getenv("AZURE_STORAGE_ACCOUNT")}
	key, sas := os.Getenv("AZURE_STORAGE_KEY"), os.Getenv("AZURE_STORAGE_SAS_TOKEN")
	domain, protocol, endpoint := "blob.core.windows.net", "https", ""
	if value := os.Getenv("AZURE_STORAGE_DOMAIN"); value != "" {
		domain = value
	}
	if value := os.Getenv("AZURE_STORAGE_PROTOCOL"); value != "" {
		protocol = value
	}
	for name, value := range connection(os.Getenv("AZURE_STORAGE_CONNECTION_STRING")) {
		switch name {
		case "AccountName":
			a.Name = value
		case "AccountKey":
			key = value
		case "SharedAccessSignature":
			sas = value
		case "BlobEndpoint":
			endpoint = value
		case "EndpointSuffix":
			domain = "blob." + value
		case "DefaultEndpointsProtocol":
			protocol = value
		}
	}
	emulator := false
	for name, values := range query {
		var err error
		switch name {
		case "storage_account":
			a.Name = values[0]
		case "domain":
			domain = values[0]
		case "protocol":
			protocol = values[0]
		case "localemu":
			emulator, err = strconv.ParseBool(values[0])
		default:
			return a, fmt.Errorf("unknown parameter %q, must be one of domain, localemu, protocol, storage_account", name)
		}
		if err != nil {
			return a, fmt.Errorf("%s must be true or false, got %q", name, values[0])
		}
	}
	if a.Name == "" {
		return a, errors.New("there is no storage account: add storage_account= or set AZURE_STORAGE_ACCOUNT")
	}
	switch {
	case endpoint != "":
	case emulator: // it has the account in the path
		endpoint = protocol + "://" + domain + "/" + a.Name
	default:
		endpoint = protocol + "://" + a.Name + "." + domain
	}
	var err error
	if a.Endpoint, err = url.Parse(endpoint); err != nil || a.Endpoint.Host == "" {
		return a, fmt.Errorf("the account's address is not a URL: %q", endpoint)
	}
	if key != "" {
		if a.Key, err = base64.StdEncoding.DecodeString(key); err != nil {
			return a, errors.New("the account's key is not base64: copy it again from the account's access keys")
		}
	} else if sas != "" {
		if a.SAS, err = url.ParseQuery(strings.TrimPrefix(sas, "?")); err != nil {
			return a, errors.New("the shared access signature is not a query string")
		}
	}
	return a, nil
}

// connection reads "Name=value;Name=value".
func connection(text string) map[string]string {
	parts := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			parts[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return parts
}

// Sign adds a shared key's signature, as the service's documentation describes it ("Authorize with Shared Key", 2015-02-21 and later).
func (a *Account) Sign(request *http.Request) {
	length := ""
	if request.ContentLength > 0 {
		length = strconv.FormatInt(request.ContentLength, 10)
	}
	header := request.Header
	text := strings.Join([]string{
		request.Method,
		header.Get("Content-Encoding"),
		header.Get("Content-Language"),
		length,
		header.Get("Content-MD5"),
		header.Get("Content-Type"),
		"", // Date, for which X-Ms-Date stands
		header.Get("If-Modified-Since"),
		header.Get("If-Match"),
		header.Get("If-None-Match"),
		header.Get("If-Unmodified-Since"),
		header.Get("Range"),
		canonicalHeaders(header) + a.canonicalResource(request.URL),
	}, "\n")
	mac := hmac.New(sha256.New, a.Key)
	mac.Write([]byte(text))
	header.Set("Authorization", "SharedKey "+a.Name+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func canonicalHeaders(header http.Header) string {
	var lines []string
	for name := range header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ms-") {
			lines = append(lines, lower+":"+strings.TrimSpace(header.Get(name))+"\n")
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "")
}

func (a *Account) canonicalResource(address *url.URL) string {
	var lines []string
	for name, values := range address.Query() {
		sort.Strings(values)
		lines = append(lines, "\n"+strings.ToLower(name)+":"+strings.Join(values, ","))
	}
	sort.Strings(lines)
	return "/" + a.Name + address.EscapedPath() + strings.Join(lines, "")
}
