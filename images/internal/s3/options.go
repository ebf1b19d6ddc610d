// Package s3 is how a bucket of Amazon S3, or of what speaks its protocol, is reached: the parameters of its URL, and where
// its credentials are.
package s3

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// Options are the parameters of the URL, by the names that gocloud.dev/blob gives them.
type Options struct {
	Region     string   // region=eu-central-1; default AWS_REGION, AWS_DEFAULT_REGION
	Endpoint   *url.URL // endpoint=https://minio:9000, for servers other than Amazon's; default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL
	PathStyle  bool     // use_path_style=true: the bucket is in the path and not in the host's name
	Anonymous  bool     // anonymous=true: requests are not signed
	Profile    string   // profile= of the shared credentials file
	Encryption string   // ssetype=AES256 or aws:kms
	KMSKey     string   // kmskeyid=
}

// Parse the parameters. What they leave out comes from the environment.
func Parse(query url.Values) (Options, error) {
	var o Options
	var endpoint string
	var insecure, dualStack, fips bool
	for name, values := range query {
		value, err := values[0], error(nil)
		switch name {
		case "region":
			o.Region = value
		case "endpoint":
			endpoint = value
		case "profile":
			o.Profile = value
		case "ssetype":
			o.Encryption = value
		case "kmskeyid":
			o.KMSKey = value
		case "use_path_style", "s3ForcePathStyle":
			o.PathStyle, err = strconv.ParseBool(value)
		case "anonymous":
			o.Anonymous, err = strconv.ParseBool(value)
		case "disable_https", "disableSSL":
			insecure, err = strconv.ParseBool(value)
		case "dualstack":
			dualStack, err = strconv.ParseBool(value)
		case "fips":
			fips, err = strconv.ParseBool(value)
		case "awssdk", "hostname_immutable": // of gocloud.dev's driver; the choice does not exist here
		default:
			return o, fmt.Errorf("unknown parameter %q, must be one of anonymous, disable_https, dualstack, endpoint, fips, kmskeyid, profile, region, ssetype, use_path_style", name)
		}
		if err != nil {
			return o, fmt.Errorf("%s must be true or false, got %q", name, value)
		}
	}
	if endpoint == "" {
		endpoint = firstSet("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
	}
	if o.Region == "" {
		o.Region = firstSet("AWS_REGION", "AWS_DEFAULT_REGION")
	}
	if o.Region == "" && endpoint != "" {
		o.Region = "us-east-1" // what servers other than Amazon's call themselves
	}
	if o.Region == "" {
		return o, errors.New("there is no region: add region= or set AWS_REGION")
	}
	if endpoint == "" {
		endpoint = amazon(o.Region, dualStack, fips)
	}
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		// Without a scheme, as older drivers had it.
		scheme := "https://"
		if insecure {
			scheme = "http://"
		}
		if parsed, err = url.Parse(scheme + endpoint); err != nil || parsed.Host == "" {
			return o, fmt.Errorf("endpoint must be http://HOST:PORT or https://HOST:PORT, got %q", endpoint)
		}
	}
	if insecure {
		parsed.Scheme = "http"
	}
	o.Endpoint = parsed
	return o, nil
}

// amazon gives the region's own address.
func amazon(region string, dualStack, fips bool) string {
	service, domain := "s3", "amazonaws.com"
	if fips {
		service += "-fips"
	}
	if dualStack {
		service += ".dualstack"
	}
	if len(region) > 3 && region[:3] == "cn-" {
		domain += ".cn"
	}
	return "https://" + service + "." + region + "." + domain
}
