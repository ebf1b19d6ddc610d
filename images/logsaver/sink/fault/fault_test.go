package fault

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestFromStatus(t *testing.T) {
	cases := []struct {
		status    int
		header    http.Header
		permanent bool
		wait      time.Duration
		says      string
	}{
		{status: 301, header: http.Header{"Location": {"https://new.example.org"}}, permanent: true, says: "https://new.example.org"},
		{status: 400, permanent: true, says: "bad things"},
		{status: 401, permanent: true, says: "check the credentials"},
		{status: 403, permanent: true, says: "right to write"},
		{status: 404, permanent: true, says: "check the address"},
		{status: 408},
		{status: 413, permanent: true, says: "batch.max_bytes"},
		{status: 425},
		{status: 429, header: http.Header{"Retry-After": {"7"}}, wait: 7 * time.Second},
		{status: 500},
		{status: 501, permanent: true},
		{status: 503, header: http.Header{"Retry-After": {"86400"}}, wait: maxWait},
		{status: 503, header: http.Header{"Retry-After": {"soon"}}},
		{status: 507},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.status, c.header), func(t *testing.T) {
			response := &http.Response{StatusCode: c.status, Status: fmt.Sprint(c.status, " ", http.StatusText(c.status)), Header: c.header, Body: io.NopCloser(strings.NewReader(" bad things\nmore of them "))}
			err := fmt.Errorf("batch 1: %w", FromStatus("post", "http://x", response, Said(response)))
			assert.Equal(t, c.permanent, Permanent(err))
			assert.Equal(t, c.wait, RetryAfter(err))
			assert.ErrorContains(t, err, "post http://x: "+response.Status+": bad things")
			assert.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	assert.False(t, Permanent(nil))
	assert.False(t, Permanent(errors.New("another's")))
	assert.True(t, Permanent(Lasting("write", "x", io.EOF, "do")))
	assert.False(t, Permanent(Transient("write", "x", io.EOF)))
}

func TestRetryAfterMayBeADate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	assert.Equal(t, time.Minute, retryAfter(now.Add(time.Minute).Format(http.TimeFormat), now))
	assert.Zero(t, retryAfter(now.Add(-time.Minute).Format(http.TimeFormat), now))
}
