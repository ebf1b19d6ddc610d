package sqlite

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite/conn"
)

// What a call costs must not depend on the number of items: every statement finds its rows by an index, and sorts nothing.
func TestNoStatementLooksAtAllItems(t *testing.T) {
	opened := opened(t)
	c, err := conn.Open(opened.path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	explained := 0
	for _, all := range []any{statements{}, reader{}} {
		fields := reflect.TypeOf(all)
		for i := range fields.NumField() {
			sql, ok := fields.Field(i).Tag.Lookup("sql")
			if !ok {
				continue
			}
			plan, err := c.Prepare("EXPLAIN QUERY PLAN " + sql)
			require.NoError(t, err)
			require.NoError(t, plan.Rows(func() error {
				step := plan.ColumnText(3)
				limited := strings.Contains(step, "USING COVERING INDEX items_due") || strings.Contains(step, "USING INDEX items_due") ||
					strings.Contains(step, "USING COVERING INDEX deduplication_at")
				assert.False(t, strings.HasPrefix(step, "SCAN ") && !limited, "%s: %s", fields.Field(i).Name, step)
				assert.NotContains(t, step, "TEMP B-TREE", fields.Field(i).Name)
				explained++
				return nil
			}))
		}
	}
	assert.Greater(t, explained, 30)
}

// The memory is that of the whole process.
func TestAMillionWaitingItemsNeedLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million items")
	}
	s := opened(t)
	fill(t, s, 1_000_000)
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1_000_000, stats.Stages["stage"].Counts["waiting"])
	assert.Less(t, resident(t), int64(64<<20))
}
