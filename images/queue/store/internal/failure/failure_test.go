package failure

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	code := 75
	for name, f := range map[string]*api.Failure{
		"none":  nil,
		"empty": {},
		"whole": {Reason: "exit code 75", ExitCode: &code, ErrorTail: "a\n\"b\"\x00", Worker: "resize-0"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, f, Decode(Encode(f))) })
	}
	assert.Equal(t, &api.Failure{Reason: "not JSON"}, Decode("not JSON"))
}
