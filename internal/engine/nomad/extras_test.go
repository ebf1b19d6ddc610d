package nomad

import "encoding/json"

// extras in the form of a topology.
func extras(text string) map[string]json.RawMessage {
	return map[string]json.RawMessage{Name: json.RawMessage(text)}
}
