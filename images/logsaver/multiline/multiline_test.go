package multiline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
)

func TestGroupers(t *testing.T) {
	tests := []struct {
		name   string
		config config.Multiline
		want   []string
	}{
		{
			name:   "a Java trace with causes belongs to the message above it",
			config: config.Multiline{Preset: config.PresetJava},
			want: []string{
				"12:00:01 INFO started",
				"12:00:02 ERROR request failed\njava.lang.Error: no\n\tat com.example.A.b(A.java:3)\n\t... 12 more\nCaused by: java.io.IOException: gone\n\tat com.example.C.d(C.java:4)\n\tSuppressed: java.lang.Exception: also\n\t\tat com.example.E.f(E.java:5)",
				"12:00:03 INFO on we go",
			},
		},
		{
			name:   "a Java trace without a message is a record of its own",
			config: config.Multiline{Preset: config.PresetJava},
			want: []string{
				"Exception in thread \"main\" java.lang.Error: a\n\tat A.b(A.java:3)",
				"java.lang.Error: b\n    at A.b(A.java:3)",
			},
		},
		{
			name:   "a Python traceback ends with the line of the exception",
			config: config.Multiline{Preset: config.PresetPython},
			want: []string{
				"INFO before",
				"ERROR failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nValueError: bad",
				"INFO after",
			},
		},
		{
			name:   "chained Python tracebacks are one record",
			config: config.Multiline{Preset: config.PresetPython},
			want: []string{
				"Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", line 2\nValueError: bad",
				"INFO after",
			},
		},
		{
			name:   "a Go panic runs over all goroutines to the exit status",
			config: config.Multiline{Preset: config.PresetGo},
			want: []string{
				"2026/01/02 listening",
				"panic: boom\n\ngoroutine 1 [running]:\nmain.f(...)\n\t/src/main.go:5\nmain.main()\n\t/src/main.go:9 +0x1d\nexit status 2",
				"2026/01/02 restarted",
			},
		},
		{
			name:   "a pattern names the first line of a record",
			config: config.Multiline{Pattern: `^\d{4}-`},
			want:   []string{"2026-01-02 a", "2026-01-03 b\n  more\nand more", "2026-01-04 c"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			grouper, err := New(&test.config)
			require.NoError(t, err)
			for range 2 { // the second time shows that Reset forgets everything
				grouper.Reset()
				var got []string
				for line := range strings.SplitSeq(strings.Join(test.want, "\n"), "\n") {
					if grouper.Begins([]byte(line)) {
						got = append(got, line)
					} else {
						require.NotEmpty(t, got, "the first line begins a record")
						got[len(got)-1] += "\n" + line
					}
				}
				assert.Equal(t, test.want, got)
			}
		})
	}
}
