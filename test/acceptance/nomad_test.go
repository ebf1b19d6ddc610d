//go:build acceptance

package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nomad is the test's own access to a namespace of a real Nomad.
type nomad struct {
	namespace string
	client    *api.Client
	query     *api.QueryOptions
	write     *api.WriteOptions
}

func newNomad(t *testing.T, namespace string) (*nomad, *proxy) {
	t.Helper()
	client, err := api.NewClient(api.DefaultConfig()) // NOMAD_ADDR, NOMAD_TOKEN
	require.NoError(t, err)
	n := &nomad{namespace: namespace, client: client, query: &api.QueryOptions{Namespace: namespace}, write: &api.WriteOptions{Namespace: namespace}}
	_, err = client.Namespaces().Register(&api.Namespace{Name: namespace}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { n.clear(t) })
	return n, newProxy(t, os.Getenv("NOMAD_ADDR"), nil)
}

// clear removes what a failed test has left, and the namespace.
func (n *nomad) clear(t *testing.T) {
	jobs, _, _ := n.client.Jobs().List(n.query)
	for _, j := range jobs {
		_, _, _ = n.client.Jobs().Deregister(j.ID, true, n.write)
	}
	variables, _, _ := n.client.Variables().List(n.query)
	for _, v := range variables {
		_, _ = n.client.Variables().Delete(v.Path, n.write)
	}
	volumes, _, _ := n.client.HostVolumes().List(nil, n.query)
	var err error
	eventually(t, time.Minute, func() bool {
		for _, v := range volumes { // those of jobs that end are in use for a moment
			_, _, _ = n.client.HostVolumes().Delete(&api.HostVolumeDeleteRequest{ID: v.ID}, n.write)
		}
		_, err = n.client.Namespaces().Delete(n.namespace, nil)
		return err == nil
	}, "the namespace %s is still in use", n.namespace)
}

func (n *nomad) name() string { return "nomad" }

func (n *nomad) signIn(p *proxy) object {
	return object{"address": p.URL, "token": os.Getenv("NOMAD_TOKEN"), "namespace": n.namespace}
}

// job of an instance, as it is registered.
func (n *nomad) job(t *testing.T, instance string) *api.Job {
	t.Helper()
	job, _, err := n.client.Jobs().Info(instance, n.query)
	require.NoError(t, err)
	return job
}

func (n *nomad) scale(t *testing.T, instance string, replicas int) {
	t.Helper()
	group := *n.job(t, instance).TaskGroups[0].Name
	eventually(t, time.Minute, func() bool { // not while a deployment is under way
		_, _, err := n.client.Jobs().Scale(instance, group, &replicas, "an autoscaler", false, nil, n.write)
		return err == nil
	}, "%s cannot be scaled", instance)
}

func (n *nomad) disturb(t *testing.T, instance string) {
	t.Helper()
	job := n.job(t, instance)
	for _, task := range job.TaskGroups[0].Tasks {
		if task.Name == "main" {
			task.Env["COLOUR"] = "red"
		}
	}
	_, _, err := n.client.Jobs().Register(job, n.write)
	require.NoError(t, err)
}

func (n *nomad) vanish(t *testing.T, instance string) {
	t.Helper()
	_, _, err := n.client.Jobs().Deregister(instance, true, n.write)
	require.NoError(t, err)
	variables, _, err := n.client.Variables().List(n.query)
	require.NoError(t, err)
	for _, v := range variables {
		_, err := n.client.Variables().Delete(v.Path, n.write)
		require.NoError(t, err)
	}
}

func (n *nomad) left(t *testing.T, instance string) []string {
	t.Helper()
	var all []string
	jobs, _, err := n.client.Jobs().List(n.query)
	require.NoError(t, err)
	for _, j := range jobs {
		all = append(all, "job/"+j.ID)
	}
	variables, _, err := n.client.Variables().List(n.query)
	require.NoError(t, err)
	for _, v := range variables {
		all = append(all, "variable/"+v.Path)
	}
	services, _, err := n.client.Services().List(n.query)
	require.NoError(t, err)
	for _, s := range services {
		for _, one := range s.Services {
			all = append(all, "service/"+one.ServiceName)
		}
	}
	policies, _, err := n.client.ACLPolicies().List(nil)
	require.NoError(t, err)
	for _, p := range policies {
		if strings.Contains(p.Name, n.namespace) {
			all = append(all, "policy/"+p.Name)
		}
	}
	sort.Strings(all)
	return all
}

func (n *nomad) replicas(t *testing.T, instance string) []replica {
	t.Helper()
	stubs, _, err := n.client.Jobs().Allocations(instance, false, n.query)
	require.NoError(t, err)
	var all []replica
	for _, stub := range stubs {
		if stub.ClientStatus != api.AllocClientStatusRunning || stub.DesiredStatus != api.AllocDesiredStatusRun {
			continue
		}
		a, _, err := n.client.Allocations().Info(stub.ID, n.query)
		require.NoError(t, err)
		r := replica{ID: a.ID, Group: a.TaskGroup, Restarts: map[string]int{}, Images: map[string]string{}}
		r.Ready = a.DeploymentStatus == nil || a.DeploymentStatus.Healthy != nil && *a.DeploymentStatus.Healthy
		for name, s := range a.TaskStates {
			r.Restarts[name] = int(s.Restarts)
		}
		for _, group := range a.Job.TaskGroups {
			if *group.Name != a.TaskGroup {
				continue
			}
			for _, task := range group.Tasks {
				r.Images[task.Name], _ = task.Config["image"].(string)
			}
		}
		if a.AllocatedResources != nil {
			for _, p := range a.AllocatedResources.Shared.Ports {
				if p.Label == "http" {
					r.Address = fmt.Sprintf("%s:%d", p.HostIP, p.Value)
				}
			}
		}
		all = append(all, r)
	}
	return all
}

func (n *nomad) holds(t *testing.T, value string) bool {
	t.Helper()
	variables, _, err := n.client.Variables().List(n.query)
	require.NoError(t, err)
	for _, v := range variables {
		full, _, err := n.client.Variables().Read(v.Path, n.query)
		require.NoError(t, err)
		for _, item := range full.Items {
			if item == value {
				return true
			}
		}
	}
	return false
}

func (n *nomad) secret(t *testing.T, instance, name string) string {
	t.Helper()
	v, _, err := n.client.Variables().Read("nomad/jobs/"+instance, n.query)
	require.NoError(t, err)
	require.NotEmpty(t, v.Items["secret/"+name+"/token"])
	return v.Items["secret/"+name+"/token"]
}

func (n *nomad) data(t *testing.T) []string {
	t.Helper()
	volumes, _, err := n.client.HostVolumes().List(nil, n.query)
	require.NoError(t, err)
	var all []string
	for _, v := range volumes {
		all = append(all, v.Name)
	}
	return all
}

// serving are the registrations in the catalogue, of replicas that have been healthy: Nomad registers also what has just begun.
func (n *nomad) serving(t *testing.T, instance string) []string {
	t.Helper()
	healthy := map[string]string{} // other ports of a replica are registered too, for their probes
	for _, r := range n.replicas(t, instance) {
		if r.Ready {
			healthy[r.ID] = r.Address
		}
	}
	list, _, err := n.client.Services().List(n.query)
	require.NoError(t, err)
	var all []string
	for _, ns := range list {
		for _, stub := range ns.Services {
			registrations, _, err := n.client.Services().Get(stub.ServiceName, n.query)
			require.NoError(t, err)
			for _, r := range registrations {
				if address := fmt.Sprintf("%s:%d", r.Address, r.Port); healthy[r.AllocID] == address {
					all = append(all, address)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (n *nomad) settled(t *testing.T, instance string) bool {
	t.Helper()
	d, _, err := n.client.Jobs().LatestDeployment(instance, n.query)
	return assert.NoError(t, err) && (d == nil || d.Status == api.DeploymentStatusSuccessful)
}

func (n *nomad) pids(t *testing.T, r replica, container string) []int {
	t.Helper()
	// docker names a task's container <task>-<allocation>; each client of test/engines has its own dockerd.
	nomadBinary, err := exec.LookPath("nomad")
	require.NoError(t, err)
	sockets, err := filepath.Glob(filepath.Join(filepath.Dir(nomadBinary), "..", "nomad", "client*", "docker.sock"))
	require.NoError(t, err)
	for _, socket := range sockets {
		out, err := exec.Command("docker", "-H", "unix://"+socket, "ps", "-q", "--no-trunc", "--filter", "name="+container+"-"+r.ID).Output()
		require.NoError(t, err)
		if id := strings.TrimSpace(string(out)); id != "" {
			return processesOf(t, id)
		}
	}
	return nil
}
