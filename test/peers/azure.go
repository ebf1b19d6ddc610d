package peers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// AzureServer is Azurite, Azure's own emulator of Blob Storage.
type AzureServer struct {
	*Process
	// ConnectionString is what AZURE_STORAGE_CONNECTION_STRING must be.
	ConnectionString string
	// Account and Key are those of its documentation.
	Account, Key string
	// Endpoint is its address with the account in the path.
	Endpoint string
}

// Azurite starts an emulator of Azure Blob Storage. It is a program for Node.js; where there is none, the test is skipped.
func Azurite(t testing.TB) *AzureServer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = exec.LookPath("npm")
	}
	if err != nil {
		t.Skip("Azurite needs node and npm")
	}
	installed, err := Make("azurite")
	if err != nil {
		t.Fatal(err)
	}
	port := FreePort(t)
	a := &AzureServer{
		Account: "devstoreaccount1",
		Key:     "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
	}
	a.Endpoint = fmt.Sprintf("http://127.0.0.1:%d/%s", port, a.Account)
	a.ConnectionString = fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=%s;", a.Account, a.Key, a.Endpoint)
	data := filepath.Join(t.TempDir(), "azurite")
	a.Process = start(t, "azurite", func() *exec.Cmd {
		return exec.Command(node, filepath.Join(installed, "node_modules", "azurite", "dist", "src", "blob", "main.js"),
			"--blobHost", "127.0.0.1", "--blobPort", fmt.Sprint(port), "--location", data, "--disableTelemetry")
	}, func() bool { return answers(a.Endpoint) })
	return a
}

// MakeContainer makes a container and gives the URL by which a log saver writes to it.
func (a *AzureServer) MakeContainer(t testing.TB, name string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodPut, a.Endpoint+"/"+name+"?restype=container", nil)
	if err != nil {
		t.Fatal(err)
	}
	date := time.Now().UTC().Format(http.TimeFormat)
	request.Header.Set("X-Ms-Date", date)
	request.Header.Set("X-Ms-Version", "2021-12-02")
	text := "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:" + date + "\nx-ms-version:2021-12-02\n/" + a.Account + "/" + a.Account + "/" + name + "\nrestype:container"
	request.Header.Set("Authorization", "SharedKey "+a.Account+":"+a.mac(t, text))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("make container %s: %s", name, response.Status)
	}
	return "azblob://" + name
}

// SAS gives a shared access signature for a container with some rights ("rcwl"), as the service's documentation describes it for version 2018-11-09.
func (a *AzureServer) SAS(t testing.TB, container, rights string) string {
	t.Helper()
	const version, resource = "2018-11-09", "c"
	expires := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	text := rights + "\n\n" + expires + "\n/blob/" + a.Account + "/" + container + "\n\n\n\n" + version + "\n" + resource + "\n\n\n\n\n\n"
	return url.Values{"sv": {version}, "sr": {resource}, "sp": {rights}, "se": {expires}, "sig": {a.mac(t, text)}}.Encode()
}

// Object gives the content of an object; ok is false if it is not there.
func (a *AzureServer) Object(t testing.TB, container, key string) (content []byte, ok bool) {
	t.Helper()
	return download(t, a.Endpoint+"/"+container+"/"+url.PathEscape(key)+"?"+a.SAS(t, container, "r"))
}

func (a *AzureServer) mac(t testing.TB, text string) string {
	key, err := base64.StdEncoding.DecodeString(a.Key)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// download gives what a URL answers; ok is false if there is nothing.
func download(t testing.TB, address string) (content []byte, ok bool) {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, false
	default:
		t.Fatalf("get %s: %s", response.Request.URL.Path, response.Status)
	}
	content, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content, true
}
