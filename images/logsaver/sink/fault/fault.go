// Package fault tells what a failed write to a sink means: whether it will go away by itself, when to try again, and what a person can do.
package fault

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An Error is one failed attempt.
type Error struct {
	// Doing and Target say what was being done, and with which thing: "put object", "s3://logs/web/0".
	Doing, Target string
	// Cause is what the other side or the system said.
	Cause error
	// Advice says what a person can do. It is there when the error is permanent.
	Advice string
	// Lasting tells that it will not go away by itself.
	Lasting bool
	// Wait is how long the other side asks to be left alone.
	Wait time.Duration
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Doing, e.Target, e.Cause)
	if e.Advice != "" {
		text += " (" + e.Advice + ")"
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Transient is an error that may go away by itself: the network, an overload.
func Transient(doing, target string, cause error) error {
	return &Error{Doing: doing, Target: target, Cause: cause}
}

// Lasting is an error that stays until somebody follows the advice.
func Lasting(doing, target string, cause error, advice string) error {
	return &Error{Doing: doing, Target: target, Cause: cause, Advice: advice, Lasting: true}
}

// Permanent tells whether an error will not go away by itself.
func Permanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Lasting
}

// RetryAfter tells how long the other side asks to be left alone; 0 if it does not.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.Wait
	}
	return 0
}

// maxSaid bounds how much of an answer is read for the message, maxWait how long anybody may ask us to wait.
const (
	maxSaid = 4 << 10
	maxWait = 10 * time.Minute
)

// Said reads the beginning of an answer's body.
func Said(response *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxSaid)) // half a message is better than none
	return strings.TrimSpace(string(body))
}

// FromStatus makes an error of an HTTP status. Temporary by their nature are 408, 425, 429 and all of 5xx except 501 and 505; what else is not a success stays as it is until somebody acts.
func FromStatus(doing, target string, response *http.Response, said string) *Error {
	status := response.StatusCode
	cause := fmt.Errorf("%s", response.Status)
	if said != "" {
		cause = fmt.Errorf("%s: %s", response.Status, firstLine(said))
	}
	e := &Error{Doing: doing, Target: target, Cause: cause}
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		e.Lasting = true
	default:
		e.Lasting = status < 500
	}
	e.Wait = retryAfter(response.Header.Get("Retry-After"), time.Now())
	if e.Lasting {
		e.Advice = advice(response)
	}
	return e
}

func advice(response *http.Response) string {
	switch status := response.StatusCode; {
	case status >= 300 && status < 400:
		if to := response.Header.Get("Location"); to != "" {
			return "redirects are not followed with data; set the address to " + to
		}
		return "redirects are not followed with data; set the address that is meant"
	case status == http.StatusUnauthorized:
		return "check the credentials"
	case status == http.StatusForbidden:
		return "grant these credentials the right to write, or use others"
	case status == http.StatusNotFound:
		return "check the address and its path"
	case status == http.StatusRequestEntityTooLarge:
		return "lower batch.max_bytes, or raise the limit of the receiver"
	}
	return "the receiver will not take this; see its answer"
}

// retryAfter reads RFC 9110, section 10.2.3: seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), maxWait)
}

func firstLine(text string) string {
	const enough = 300
	if i := strings.IndexByte(text, '\n'); i >= 0 && i < enough {
		text = strings.TrimSpace(text[:i])
	}
	if len(text) > enough {
		text = text[:enough] + "..."
	}
	return text
}
