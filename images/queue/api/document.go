package api

import _ "embed" // the document below

// Document is openapi.yaml, which describes the API to everybody who does not speak Go.
//
//go:embed openapi.yaml
var Document []byte
