package api

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/openapi"
)

func TestTheDocumentSaysWhatTheTypesAre(t *testing.T) {
	d := openapi.Read(t, Document)
	d.Describes(t, []any{Election{}, Set{}, Stand{}, Verify{}, Verified{}, Error{}, Old{}})
	assert.NotEmpty(t, d.References(t))
}
