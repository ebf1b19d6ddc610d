package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestComplete(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, complete(strings.NewReader(`{"format_version": "1.0", "provider_schemas": {"`+address+`": {"resource_schemas": {"a": {}}}}}`), &out))
	var got struct {
		Schemas map[string]struct {
			Resources map[string]any `json:"resource_schemas"`
			Actions   map[string]struct {
				Block struct {
					Description string
					Attributes  map[string]struct {
						Type, Description  string
						Required, Optional bool
					}
				}
			} `json:"action_schemas"`
		} `json:"provider_schemas"`
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	assert.Contains(t, got.Schemas[shortName].Resources, "a")
	is := got.Schemas[shortName].Actions["pattern_hand_over"].Block
	assert.NotEmpty(t, is.Description)
	assert.True(t, is.Attributes["of"].Required)
	assert.True(t, is.Attributes["to"].Optional)
	assert.Equal(t, "string", is.Attributes["to"].Type)

	assert.ErrorContains(t, complete(strings.NewReader(`{}`), &out), "told nothing")
}
