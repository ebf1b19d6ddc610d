//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPromise04AConflictNamesTheManagerAndTheField(t *testing.T) {
	on(t, func(s *stage) {
		k, ok := s.cluster.(*kube)
		if !ok {
			s.Skip("Nomad has one owner per job: see TestPromise04AJobIsWrittenByCheckAndSet")
		}
		green := with(demo(), object{"main.env": object{"COLOUR": "green"}})
		s.runs(green)
		s.apply()

		// What others add is theirs, and no drift.
		k.do(s.T, http.MethodPatch, k.at("/apis/apps/v1 deployments/web?fieldManager=colleague"),
			object{"metadata": object{"annotations": object{"example.com/theirs": "1"}}}, nil)
		s.unchanged("after a foreign annotation")

		// Another manager claims a field with the very value that it has.
		main := object{"name": "main", "env": []object{{"name": "COLOUR", "value": "green"}}}
		k.do(s.T, applyPatch, k.at("/apis/apps/v1 deployments/web?fieldManager=gitops"), object{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": object{"name": "web"},
			"spec": object{"template": object{"spec": object{"containers": []object{main}}}},
		}, nil)
		s.unchanged("after another manager has claimed what is as it should be")
		s.runs(with(green, object{"main.env.COLOUR": "blue"}))
		said := s.failApply().errors()
		assert.Contains(s, said, "others manage the same fields")
		assert.Contains(s, said, "gitops owns")
		assert.Contains(s, said, "COLOUR")
		assert.Contains(s, said, "Deployment "+s.namespace+"/web")
	})
}

func TestPromise04AJobIsWrittenByCheckAndSet(t *testing.T) {
	on(t, func(s *stage) {
		if s.name() != "nomad" {
			s.Skip("Kubernetes has server-side apply: see TestPromise04AConflictNamesTheManagerAndTheField")
		}
		green := with(demo(), object{"main.env": object{"COLOUR": "green"}})
		s.runs(green)
		s.apply()
		meddled := false
		s.proxy.act(func(_ int, r *http.Request) bool {
			if r.Method != http.MethodGet && r.URL.Path == "/v1/jobs" && !meddled {
				meddled = true // a colleague is a moment quicker
				s.disturb(s.T, "web")
			}
			return true
		}, nil)
		s.runs(with(green, object{"main.args": []string{"serve", ":8080", "again"}}))
		r := s.tryApply()
		s.proxy.act(nil, nil)
		require.True(s, meddled)
		if r.Err != nil {
			s.Log(r.errors())
			assert.Regexp(s, "changed|modif", r.errors())
		}
		s.apply()
		s.unchanged("whoever came first")
		assert.Equal(s, "green", s.cluster.(*nomad).job(s.T, "web").TaskGroups[0].Tasks[mainTask(s)].Env["COLOUR"])
	})
}

func mainTask(s *stage) int {
	for i, task := range s.cluster.(*nomad).job(s.T, "web").TaskGroups[0].Tasks {
		if task.Name == "main" {
			return i
		}
	}
	return -1
}

func TestPromise05NullReplicasLeaveScalingToAnAutoscaler(t *testing.T) {
	on(t, func(s *stage) {
		web := with(demo(), object{"replicas": nil})
		s.runs(web)
		s.apply()
		require.Len(s, s.replicas(s.T, "web"), 1, "a new instance starts with one")
		s.scale(s.T, "web", 2)
		eventually(s.T, time.Minute, func() bool { return len(s.replicas(s.T, "web")) == 2 }, "two replicas")
		s.unchanged("after an autoscaler has scaled")

		s.runs(with(web, object{"main.env": object{"COLOUR": "green"}}))
		s.apply()
		s.unchanged("after an update")
		assert.EqualValues(s, 2, s.instance("web")["status"].(object)["desired"], "an update leaves the number alone")
	})
}

func TestPromise06AReplacementIsPlannedWithItsReason(t *testing.T) {
	onBoth(t, func(s *stage) {
		s.runs(demo())
		s.apply()
		s.runs(with(demo(), object{"identity": "stable"}))
		r := s.plan()
		require.Equal(s, object{"pattern_sidecar.web": "replace"}, asObject(r.Changes))
		assert.Contains(s, r.warnings(), "The instance will be replaced")
		assert.Contains(s, r.warnings(), "identity: the engines keep interchangeable and stable replicas as different kinds of objects")

		s.apply()
		s.unchanged("after the replacement")
		require.Len(s, s.replicas(s.T, "web"), 1)
	})
}

func TestPromise09DeleteWaitsAndNamesWhatRemains(t *testing.T) {
	on(t, func(s *stage) {
		// It ends slowly: for that long it only drains.
		s.runs(with(demo(), object{"termination": object{"grace": "20s", "drain": "10s"}, "timeouts.delete": "3s"}))
		s.apply()
		r := s.try("destroy", "-auto-approve")
		require.Error(s, r.Err)
		assert.Contains(s, r.errors(), `"web" is not gone yet`)
		assert.Contains(s, r.errors(), "these remain:\n")
		assert.Less(s, r.Took, 45*time.Second)
		s.Log(r.errors())
		require.NotNil(s, s.instance("web"), "it is still in the state")

		eventually(s.T, 40*time.Second, func() bool { return s.try("destroy", "-auto-approve").Err == nil }, "the next destroy goes on")
		s.gone("web")
	})
}

func TestPromise09WhatIsNoLongerWantedIsPruned(t *testing.T) {
	on(t, func(s *stage) {
		full := with(demo(), object{
			"secrets":          object{"key": object{"generate": object{"session": 32}}},
			"main.secret_env":  object{"SESSION": object{"secret": "key", "key": "session"}},
			"volumes.settings": object{"config": object{"files": object{"a.txt": "one"}}},
			"main.mounts":      object{"settings": object{"path": "/etc/settings"}},
		})
		s.runs(demo())
		s.apply()
		before := kindsOf(s.left(s.T, "web"))
		s.runs(full)
		s.apply()
		s.unchanged("with more")
		more := s.left(s.T, "web")
		s.runs(demo())
		s.apply()
		s.unchanged("with less")
		var after []string
		eventually(s.T, 30*time.Second, func() bool {
			after = s.left(s.T, "web")
			now := kindsOf(after)
			delete(now, "replicasets") // Kubernetes keeps the former ones, for its own history
			want := kindsOf(more)
			for kind := range want {
				want[kind] = before[kind]
			}
			delete(want, "replicasets")
			for kind, n := range want {
				if now[kind] != n {
					return false
				}
			}
			return true
		}, "something is left of what was wanted: %v", lazy{&after})
		s.destroy()
		s.gone("web")
	})
}

func TestPromise09AFinalizerIsNamed(t *testing.T) {
	on(t, func(s *stage) {
		k, ok := s.cluster.(*kube)
		if !ok {
			s.Skip("Nomad has no finalizers")
		}
		s.runs(with(demo(), object{"timeouts.delete": "8s"}))
		s.apply()
		service := k.at("/api/v1 services/web")
		k.do(s.T, http.MethodPatch, service, object{"metadata": object{"finalizers": []string{"example.com/hold"}}}, nil)
		s.Cleanup(func() {
			_ = k.try(http.MethodPatch, service, object{"metadata": object{"finalizers": nil}}, nil)
		})
		r := s.try("destroy", "-auto-approve")
		require.Error(s, r.Err)
		assert.Contains(s, r.errors(), "Service "+s.namespace+"/web (finalizers: example.com/hold)")
		assert.Less(s, r.Took, 45*time.Second)

		k.do(s.T, http.MethodPatch, service, object{"metadata": object{"finalizers": nil}}, nil)
		s.destroy()
		s.gone("web")
	})
}

func TestPromise09DataIsKeptUnlessToldOtherwise(t *testing.T) {
	on(t, func(s *stage) {
		s.runs(with(demo(), object{
			"identity": "stable",
			"volumes": object{
				"keep": object{"persistent": object{"size": "8Mi"}},
				"drop": object{"persistent": object{"size": "8Mi", "delete_with_instance": true}},
			},
			"main.mounts": object{"keep": object{"path": "/keep"}, "drop": object{"path": "/drop"}},
		}))
		s.apply()
		s.unchanged("after the creation")
		require.Len(s, s.data(s.T), 2)
		s.destroy()
		var data []string
		eventually(s.T, 30*time.Second, func() bool {
			data = s.data(s.T)
			return len(data) == 1
		}, "one volume is kept: %v", lazy{&data})
		assert.Contains(s, data[0], "keep")
	})
}

func TestPromise10NoSecretIsInStateOrPlan(t *testing.T) {
	onBoth(t, func(s *stage) {
		secret := func(version string) {
			web := with(demo(), object{
				"secrets": object{
					"api": object{"values_wo": object{"token": "${var.token}"}, "values_wo_version": version, "generate": object{"session": 32}},
				},
				"main.secret_env": object{
					"TOKEN":   object{"secret": "api", "key": "token"},
					"SESSION": object{"secret": "api", "key": "session"},
				},
			})
			s.write(s.provider(), object{
				"variable": object{"token": object{"type": "string", "ephemeral": true}},
				"resource": object{"pattern_sidecar": object{"web": web}},
			})
		}
		nowhere := func(value string) {
			plan := s.raw("show", "-json", "saved.tfplan")
			assert.NotContains(s, string(plan), value, "the plan")
			state, err := os.ReadFile(filepath.Join(s.dir, "terraform.tfstate"))
			require.NoError(s, err)
			assert.NotContains(s, string(state), value, "the state")
			assert.Contains(s, string(state), "values_wo_version")
		}
		first, second := "a-first-value-that-nobody-sees", "a-second-value-that-nobody-sees"

		secret("1")
		s.setenv("TF_VAR_token", first)
		s.must("plan", "-out=saved.tfplan")
		s.must("apply", "saved.tfplan")
		nowhere(first)
		require.True(s, s.holds(s.T, first), "it is in the cluster")
		s.unchanged("after the creation")
		old := s.replicas(s.T, "web")[0].ID

		s.setenv("TF_VAR_token", second)
		s.unchanged("without a new version nobody knows of a new value")
		secret("2")
		s.must("plan", "-out=saved.tfplan")
		s.must("apply", "saved.tfplan")
		nowhere(second)
		require.True(s, s.holds(s.T, second), "the new value is in the cluster")
		require.False(s, s.holds(s.T, first), "and the old one is not")
		eventually(s.T, 30*time.Second, func() bool {
			r := s.replicas(s.T, "web")
			return len(r) == 1 && r[0].ID != old
		}, "its reader was replaced")

		s.destroy()
		require.False(s, s.holds(s.T, second), "the secret is gone with the instance")
	})
}

// The figures of this project, which noise cannot touch.
const (
	mostToRefresh = 3
	mostToCreate  = 15 // besides the watch
)

func TestPromise12FewRequests(t *testing.T) {
	t.Run("of an instance with configuration, a secret and a port of every machine", func(t *testing.T) {
		on(t, func(s *stage) {
			s.runs(with(demo(), object{
				"expose.http.reach": "node",
				"secrets":           object{"own": object{"generate": object{"key": 32}}},
				"volumes":           object{"fixed": object{"config": object{"files": object{"a": "1"}}}, "live": object{"config": object{"files": object{"b": "2"}, "reload": true}}},
				"main.secret_env":   object{"KEY": object{"secret": "own", "key": "key"}},
				"main.mounts":       object{"fixed": object{"path": "/fixed"}, "live": object{"path": "/live"}},
			}))
			s.apply("-refresh=false")
			create := s.proxy.take()
			s.plan()
			refresh := s.proxy.take()
			s.Logf("first apply: %d requests\n  %s\nrefresh: %d requests\n  %s", len(create), strings.Join(create, "\n  "), len(refresh), strings.Join(refresh, "\n  "))
			mostToCreate, mostToRefresh := mostToCreate, mostToRefresh
			if s.name() == "kubernetes" {
				// Secrets are a kind of their own, to be listed where the instance has such; and each object that is to be
				// made is asked for first, so that nobody else's of that name is taken.
				mostToCreate, mostToRefresh = 18, 4
			}
			assert.LessOrEqual(s, len(create), mostToCreate)
			assert.LessOrEqual(s, len(refresh), mostToRefresh)
			s.destroy()
		})
	})
	on(t, func(s *stage) {
		s.runs(demo())
		s.apply("-refresh=false")
		create := s.proxy.take()
		s.plan()
		refresh := s.proxy.take()
		s.Logf("first apply: %d requests\n  %s", len(create), strings.Join(create, "\n  "))
		s.Logf("refresh of an unchanged instance: %d requests\n  %s", len(refresh), strings.Join(refresh, "\n  "))
		assert.LessOrEqual(s, len(create), mostToCreate)
		assert.LessOrEqual(s, len(refresh), mostToRefresh)
		assert.NotEmpty(s, refresh)

		// Of five instances, discovery is not asked five times.
		var all []object
		for n := range 5 {
			all = append(all, with(demo(), object{"name": fmt.Sprintf("web%d", n), "replicas": 0}))
		}
		s.runs(append(all, demo())...)
		s.apply()
		s.proxy.take()
		s.plan()
		assert.LessOrEqual(s, len(s.proxy.take()), mostToRefresh*6)
		s.destroy()
	})
}
