//go:build acceptance

package acceptance

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// A pipeline with all kinds of stages: one that makes several items of one, two that each take them all (of which one is a
// server that is posted to, and one has a secret), one that takes the outputs of both, with a log saver beside it, and one
// that nobody works for.
func TestWorkQueueStagesOfAllKinds(t *testing.T) {
	onQueue(t, func(s *stage) {
		store := peers.Versitygw(s.T)
		address := forward(s.T, strings.TrimPrefix(store.Endpoint, "http://"))
		store.MakeBucket(s.T, "logs")
		split := step(shell(`for w in $(busybox cat $WORK_ITEM_FILE); do busybox mkdir -p $WORK_OUTPUT_DIR/words; echo $w >$WORK_OUTPUT_DIR/words/$w; done`))
		served := with(step([]string{"/demo", "serve", ":8085"}), object{
			"image": demoImage, "from": []string{"split"}, "mode": "http", "http": object{"port": 8085, "ready_path": "/"},
		})
		sealed := with(step(shell(`echo $(busybox cat $WORK_ITEM_FILE) $SEAL >$WORK_OUTPUT_FILE`)), object{
			"from": []string{"split"}, "secret_env": object{"SEAL": object{"secret": "seal", "key": "word"}},
		})
		join := with(step(shell(`echo "$WORK_STAGE $WORK_ITEM_NAME" >>/var/log/work/join.log; busybox cp $WORK_ITEM_FILE $WORK_OUTPUT_FILE`)), object{
			"from":    []string{"served", "sealed"},
			"volumes": object{"logs": object{"ephemeral": object{"size": "16Mi"}}},
			"mounts":  object{"logs": object{"path": "/var/log/work"}},
			"sidecars": object{"logs": object{"log_saver": object{
				"paths": []string{"/var/log/work/*.log"}, "batch": object{"max_age": "1s"},
				"sink": object{"bucket": object{"url": fmt.Sprintf("s3://logs?endpoint=http://%s&region=%s&use_path_style=true", address, store.Region)}},
				"secret_env": object{
					"AWS_ACCESS_KEY_ID":     object{"secret": "storage", "key": "access_key"},
					"AWS_SECRET_ACCESS_KEY": object{"secret": "storage", "key": "secret_key"},
				},
			}}},
		})
		q := workQueue(object{
			"split": split, "served": served, "sealed": sealed, "join": join,
			"idle": with(step(obey), object{"workers": object{"min": 0, "max": 0}}),
		})
		q["secrets"] = object{
			"seal":    object{"values_wo": object{"word": "hush-hush"}, "values_wo_version": "1"},
			"storage": object{"values_wo": object{"access_key": store.AccessKey, "secret_key": store.SecretKey}, "values_wo_version": "1"},
		}
		s.works(q)
		s.applies("five stages")
		s.unchanged("with five stages")
		state, err := os.ReadFile(s.dir + "/terraform.tfstate")
		require.NoError(s, err)
		assert.NotContains(s, string(state), "hush-hush")
		c := s.client()
		c.push("split", map[string]string{"first": "one two three", "second": "four", "none": ""})
		c.push("idle", map[string]string{"nobody": "echo"})
		c.reaches("join", api.Done, 8)
		got := c.outputs()
		require.Len(s, got, 8, "%v", got)
		for _, name := range []string{"first/words/one", "first/words/two", "first/words/three", "second/words/four"} {
			word := name[strings.LastIndex(name, "/")+1:]
			assert.Equal(s, word+" hush-hush\n", got["join/sealed/"+name]) // idle is a last stage, too
			assert.Contains(s, got["join/served/"+name], "hello from")
		}
		assert.EqualValues(s, 3, c.counts("split")[api.Done])
		assert.EqualValues(s, 1, c.counts("idle")[api.Waiting], "nobody works for it")
		assert.Empty(s, s.workers("idle"))

		var lines int
		eventually(s.T, 45*time.Second, func() bool {
			lines = 0
			for _, content := range store.Objects(s.T, "logs") {
				lines += strings.Count(string(content), "join s")
			}
			return lines == 8
		}, "the log saver should have saved a line for each item")
		s.destroy()
		s.gone(s.queue())
	})
}
