// Package failure is how stores keep why an attempt failed: as JSON, "" for none.
package failure

import (
	"encoding/json"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// Encode a failure.
func Encode(f *api.Failure) string {
	if f == nil {
		return ""
	}
	data, err := json.Marshal(f)
	if err != nil {
		panic(err) // it is made of strings and integers
	}
	return string(data)
}

// Decode what Encode made.
func Decode(text string) *api.Failure {
	if text == "" {
		return nil
	}
	f := &api.Failure{}
	if json.Unmarshal([]byte(text), f) != nil {
		return &api.Failure{Reason: text}
	}
	return f
}

// Expired is that of a lease that ended by itself.
func Expired(worker string) string {
	return Encode(&api.Failure{Reason: "lease expired", Worker: worker})
}
