package changes

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

func TestASlowReaderGetsAStageOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		h.Add("first", false)
		synctest.Wait() // it is on its way
		for i := range 100 {
			h.Add("resize", i == 50)
			h.Add("join", false)
		}
		h.Add("first", true)
		var got []store.Change
		for range 4 {
			got = append(got, <-h.Changes())
		}
		assert.Equal(t, []store.Change{{Stage: "first"}, {Stage: "resize", Waiting: true}, {Stage: "join"}, {Stage: "first", Waiting: true}}, got)
		synctest.Wait()
		select {
		case c := <-h.Changes():
			assert.Fail(t, fmt.Sprint("one more: ", c))
		default:
		}
		h.Add("unread", true)
		h.Close()
		_, open := <-h.Changes()
		assert.False(t, open)
	})
}
