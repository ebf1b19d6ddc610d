package kubernetes

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// again does a request once more when the API server is at fault: it restarts, elects, or is overloaded. All requests
// here may be repeated. What the server has decided, and what never reaches it, is not tried again; except that
// credentials which have expired are asked for again by client-go when they are refused, but only for the next request.
func again[T any](ctx context.Context, request func() (T, error)) (T, error) {
	refused := false
	for wait := 200 * time.Millisecond; ; wait *= 2 {
		out, err := request()
		if apierrors.IsUnauthorized(err) && !refused {
			refused = true
			out, err = request()
		}
		if err == nil || !passing(err) || wait > 4*time.Second || pause(ctx, wait) != nil {
			return out, err
		}
	}
}

func passing(err error) bool {
	return apierrors.IsInternalError(err) || apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err)
}
