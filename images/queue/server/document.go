package server

import (
	"bytes"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

func openAPI() *bytes.Reader { return bytes.NewReader(api.Document) }
