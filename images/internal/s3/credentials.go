package s3

import (
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Metadata asks the endpoints that give credentials. On machines that have no metadata service a question is not even refused, so it is not waited for long.
var Metadata = &http.Client{Timeout: 5 * time.Second}

// Credentials chooses where credentials come from. One that the environment names is the only one, so that its errors are seen; the rest is tried in turn.
func (o Options) Credentials() *credentials.Credentials {
	instance := &credentials.IAM{Region: o.Region, Client: Metadata}
	switch {
	case o.Profile == "" && firstSet("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY") != "":
		return credentials.New(&credentials.EnvAWS{})
	case o.Profile == "" && firstSet("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		return credentials.New(instance)
	}
	chain := []credentials.Provider{&credentials.FileAWSCredentials{Profile: o.Profile}}
	if os.Getenv("AWS_EC2_METADATA_DISABLED") != "true" {
		chain = append(chain, instance)
	}
	return credentials.NewChainCredentials(chain)
}

// firstSet gives the first variable that is set.
func firstSet(names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}
