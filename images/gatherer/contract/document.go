package contract

import _ "embed" // the document below

// Document is openapi.yaml, which describes the contracts to everybody who does not write Go.
//
//go:embed openapi.yaml
var Document []byte
