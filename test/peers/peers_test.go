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

func TestAPeerIsMadeOnce(t *testing.T) {
	first, err := Make("versitygw")
	require.NoError(t, err)
	second, err := Make("versitygw")
	require.NoError(t, err)
	assert.Equal(t, first, second)
	_, err = Make("absent")
	require.ErrorContains(t, err, "only azurite, fakegcs, versitygw, loki")
	assert.Len(t, recipes, len(Names()))
}
