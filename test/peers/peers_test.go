package peers

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPeerThatIsKilledCanBeStartedAgain(t *testing.T) {
	s := Versitygw(t)
	s.MakeBucket(t, "logs")
	assert.Empty(t, s.Objects(t, "logs"))
	s.Kill()
	assert.False(t, answers(s.Endpoint))
	s.Start(t)
	assert.True(t, answers(s.Endpoint))
}

func TestAPeerIsCompiledOnce(t *testing.T) {
	first, err := Build("versitygw", "github.com/versity/versitygw/cmd/versitygw")
	require.NoError(t, err)
	second, err := Build("versitygw", "github.com/versity/versitygw/cmd/versitygw")
	require.NoError(t, err)
	assert.Equal(t, first, second)
	_, err = Build("absent", "example.org/absent")
	require.Error(t, err)
}
