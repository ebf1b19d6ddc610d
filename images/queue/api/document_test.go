package api

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/openapi"
)

// types of all requests and answers.
var types = []any{
	Error{}, EnqueueRequest{}, NewItem{}, EnqueueAnswer{}, Enqueued{}, ReceiveRequest{}, ReceiveAnswer{}, Lease{}, ExtendRequest{}, AckRequest{}, Ack{},
	Output{}, NackRequest{}, Nack{}, Failure{}, ResultsAnswer{}, PayloadAnswer{}, Item{}, ItemsAnswer{}, ItemDetail{}, Reference{}, SelectRequest{},
	CountAnswer{}, PipelineOutput{}, OutputsAnswer{}, Status{}, StageStatus{}, SourceStatus{}, SinkStatus{}, History{}, StageHistory{},
}

func TestTheDocumentSaysWhatTheTypesAre(t *testing.T) {
	d := openapi.Read(t, Document)
	d.Describes(t, types, "State", "Duration")
	states := []string{}
	for _, s := range States {
		states = append(states, string(s))
	}
	assert.Equal(t, states, d.Schemas["State"].Enum)
}

func TestAllReferencesLeadSomewhere(t *testing.T) {
	assert.Greater(t, len(openapi.Read(t, Document).References(t)), 50)
}
