// Package s3 stores objects in Amazon S3 and in what speaks its protocol: one signed PUT each, which the server checks against a SHA-256 of the content.
//
// Credentials come from where the AWS SDKs look for them: the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), the shared credentials file and profile, a web identity (IRSA), a container's endpoint (EKS Pod Identity, ECS), and the instance's metadata service. They are asked for again before they expire.
package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/s3"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/client"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

// A Bucket is a store.
type Bucket struct {
	name        string
	options     s3.Options
	client      *client.Client
	credentials *credentials.Credentials // nil: anonymous
}

// Open reads s3://BUCKET?region=...; see Options of images/internal/s3 for what else may follow.
func Open(address *url.URL) (*Bucket, error) {
	if address.Host == "" {
		return nil, errors.New("a bucket is written as s3://name")
	}
	if strings.Trim(address.Path, "/") != "" {
		return nil, fmt.Errorf("the path %q has no meaning, use bucket.prefix", address.Path)
	}
	o, err := s3.Parse(address.Query())
	if err != nil {
		return nil, err
	}
	b := &Bucket{name: address.Host, options: o, client: client.New(config.Auth{}, config.TLS{})}
	if !o.Anonymous {
		b.credentials = o.Credentials()
	}
	return b, nil
}

// Put stores an object.
func (b *Bucket) Put(ctx context.Context, key string, content []byte, contentType string) error {
	sum := sha256.Sum256(content)
	request, err := b.request(ctx, http.MethodPut, key, nil, bytes.NewReader(content), hex.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:])) // buckets with object lock insist on one
	if b.options.Encryption != "" {
		request.Header.Set("X-Amz-Server-Side-Encryption", b.options.Encryption)
	}
	if b.options.KMSKey != "" {
		request.Header.Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", b.options.KMSKey)
	}
	return b.do("put object", "s3://"+b.name+"/"+key, request, nil)
}

// Check lists nothing of the bucket. Credentials that may write and not list are well, as far as can be told.
func (b *Bucket) Check(ctx context.Context) error {
	empty := sha256.Sum256(nil)
	request, err := b.request(ctx, http.MethodGet, "", url.Values{"list-type": {"2"}, "max-keys": {"0"}}, nil, hex.EncodeToString(empty[:]))
	if err != nil {
		return err
	}
	return b.do("check bucket", "s3://"+b.name, request, func(code string) bool { return code == "AccessDenied" })
}

// Close closes idle connections.
func (b *Bucket) Close() error { return b.client.Close() }

func (b *Bucket) request(ctx context.Context, method, key string, query url.Values, body *bytes.Reader, sum string) (*http.Request, error) {
	address := *b.options.Endpoint
	path := "/" + key
	if b.options.PathStyle {
		path = "/" + b.name + path
	} else {
		address.Host = b.name + "." + address.Host
	}
	address.Path = strings.TrimSuffix(address.Path, "/") + path
	address.RawPath = s3utils.EncodePath(address.Path) // as it is signed
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, address.String(), nil)
	if err != nil {
		return nil, err
	}
	request.URL = &address
	if body != nil {
		request.ContentLength = body.Size()
		request.Body, request.GetBody = client.Body(body)
	}
	request.Header.Set("X-Amz-Content-Sha256", sum)
	return request, nil
}

// do signs and sends. An answer with a code that is well is no error.
func (b *Bucket) do(doing, target string, request *http.Request, well func(code string) bool) error {
	if b.credentials != nil {
		value, err := b.credentials.GetWithContext(&credentials.CredContext{Client: s3.Metadata, Context: request.Context()})
		if err != nil {
			return fault.Transient(doing, target, fmt.Errorf("get credentials: %w", err))
		}
		if value.AccessKeyID == "" {
			return fault.Lasting(doing, target, errors.New("there are no credentials"),
				"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the container a role, or add anonymous=true to sink.bucket.url")
		}
		request = signer.SignV4(*request, value.AccessKeyID, value.SecretAccessKey, value.SessionToken, b.options.Region)
	}
	return b.client.Do(doing, target, request, func(response *http.Response) error {
		if response.StatusCode/100 == 2 {
			return nil
		}
		said := fault.Said(response)
		var answer answer
		_ = xml.Unmarshal([]byte(said), &answer) // not everything in front of a bucket answers in XML
		if well != nil && well(answer.Code) {
			return nil
		}
		return b.explain(doing, target, response, said, answer)
	})
}

// answer is the body of an error.
type answer struct {
	Code    string
	Message string
	Region  string
}

// explain turns S3's codes into what a person can do.
func (b *Bucket) explain(doing, target string, response *http.Response, said string, answer answer) error {
	if answer.Code != "" {
		said = answer.Code + ": " + answer.Message
	}
	e := fault.FromStatus(doing, target, response, said)
	region := response.Header.Get("X-Amz-Bucket-Region")
	if region == "" {
		region = answer.Region
	}
	switch answer.Code {
	case "NoSuchBucket":
		e.Advice = "make the bucket, or correct its name in sink.bucket.url"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "XAdminUserNotFound": // the last is Versity's
		e.Advice = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the container's role"
		if b.credentials != nil {
			b.credentials.Expire() // there may be new ones by the next attempt
		}
	case "AccessDenied":
		e.Advice = "allow s3:PutObject on this bucket and prefix to the credentials in use"
	case "RequestTimeTooSkewed":
		e.Advice = "set the clock of this machine"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		e.Advice = "set region= in sink.bucket.url to the bucket's region"
		if region != "" {
			e.Advice = "set region=" + region + " in sink.bucket.url"
		}
	case "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "OperationAborted", "XMinioStorageFull":
		e.Lasting, e.Advice = false, "" // 4xx by number, and the network's or the moment's fault
	}
	return e
}
