package nomad

import (
	"regexp"
	"slices"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// variableBytes is what one of Nomad's variables may hold.
const variableBytes = 64 << 10

// A part of the variable is kept for the record.
const itemBytes = variableBytes - 24<<10

var variableName = regexp.MustCompile(`^[a-zA-Z0-9-_~/]{1,128}$`)

// Check finds what Nomad cannot do of a topology.
func (e *Engine) Check(t *topology.Topology) []engine.Fault { return check(t) }

func check(t *topology.Topology) []engine.Fault {
	_, l := jobExtras(t)
	kinds := map[bool]int{}
	checkReloading(&l, t)
	engine.CheckEndpoints(&l, t)
	if len(t.PullSecrets) > 0 { // an attribute of the provider's configuration, not of the instance's
		l.Add("", "the provider's images.pull_secrets: Nomad has none; leave it empty, and give the registry's credentials to the docker plugin of the clients (auth)")
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		kinds[g.Identity == topology.ToCompletion]++
		checkGroup(&l, t, g)
	}
	if len(kinds) > 1 {
		var batch, service []string
		for _, g := range t.Groups {
			if g.Identity == topology.ToCompletion {
				batch = append(batch, g.Name)
			} else {
				service = append(service, g.Name)
			}
		}
		l.Add("", "on Nomad an instance is one job, which is either a service or a batch job: make two instances, one of the groups that run to their end (%s), one of the others (%s)", strings.Join(batch, ", "), strings.Join(service, ", "))
	}
	return l
}

// checkReloading weighs what is kept in the variable, and blames the largest.
func checkReloading(l *fault.List, t *topology.Topology) {
	items, largest, at := 0, 0, "volumes"
	for _, c := range t.Configs {
		size := 0
		for file, content := range c.Files {
			size += len(configItem(c.Name, file)) + len(content)
		}
		if !c.Reload {
			continue
		}
		if items += size; size > largest {
			largest, at = size, reloadingAt(t, c.Name)
		}
	}
	if items > itemBytes {
		l.Add(at, "configuration that reloads is kept in one of Nomad's variables, which holds %d KiB of it, and this is %d KiB: let the largest not reload", itemBytes>>10, items>>10)
	}
}

// reloadingAt is where the user says that a configuration reloads: one of a volume does. That of a companion is nowhere
// else than among its volumes.
func reloadingAt(t *topology.Topology, config string) string {
	for _, g := range t.Groups {
		for _, v := range g.Volumes {
			if v.Config == config {
				return fault.Key("volumes", v.Name) + ".config.reload"
			}
		}
	}
	return "volumes"
}

func checkGroup(l *fault.List, t *topology.Topology, g *topology.Group) {
	if n := count(g, topology.Init); n > 1 {
		l.Add(initsAt(g), "Nomad starts all init containers at once, in no order, and there are %d%s", n, whose(g))
	}
	if c := g.Completion; g.Identity == topology.ToCompletion && c != nil && c.Parallelism > 0 && c.Parallelism < c.Count {
		l.Add("parallelism", "Nomad runs all %d replicas of a batch job at once: set parallelism to that, or leave it out", c.Count)
	}
	for _, s := range g.Services {
		if s.Exposure == topology.ExposeLoadBalancer {
			l.Add("expose", "Nomad makes no load balancers: use the reach \"node\" with a fixed node_port, and point yours at it")
		}
	}
	slots := slotsOf(g)
	for _, v := range g.Volumes {
		if users := len(usersOf(g, v.Name)); v.Ephemeral != nil && users > 0 && slots[v.Name] == "" {
			if users > 1 {
				l.Add(fault.Key("volumes", v.Name), "an allocation of Nomad has %d folders that the containers of a group share and that every user may write, and they are given to other volumes: share fewer volumes, or make this one persistent", len(sharedSlots))
			} else {
				l.Add(fault.Key("volumes", v.Name), "an allocation of Nomad has one folder for each container that every user may write, and it is given to another volume: give this one a size of at most %d MiB, which is then kept in memory, or make it persistent", mostInRAM>>20)
			}
		}
		if p := v.Persistent; p != nil && p.Shared && p.Existing == "" {
			l.Add(fault.Key("volumes", v.Name)+".persistent.shared", "a volume that Nomad makes is on one node: register a host volume of one name on every node (a network file system, say), and give that name as persistent.existing; or set identity = \"stable\" for a volume each")
		}
		if p := v.Persistent; p != nil && p.Existing == "" && g.Identity == topology.Stable && g.Replicas == nil {
			l.AddNeeding([]string{"replicas"}, fault.Key("volumes", v.Name)+".persistent", "Nomad makes no volumes for the replicas that an autoscaler adds, which then find no place: fix the number of replicas, or use one that exists and that all replicas share (persistent.existing)")
		}
		if v.Secret != nil && !v.Secret.Own {
			l.Add(fault.Key("volumes", v.Name)+".secret", "the keys of the variable %q are not known here, so its files have no names: read its values as env, or let the instance own the secret", v.Secret.Name)
		}
		if v.Secret != nil && v.Secret.Own && !hasKeys(t, v.Secret.Name) {
			l.AddNeeding([]string{"secrets"}, fault.Key("volumes", v.Name)+".secret", "the keys of the secret %q are not known here, so its files have no names", v.Secret.Name)
		}
	}
	for i := range g.Containers {
		checkContainer(l, g, &g.Containers[i])
	}
}

// initsAt is where the user wrote init containers; those of the framework are nobody's.
func initsAt(g *topology.Group) string {
	for _, c := range g.Containers {
		if at, _, indexed := strings.Cut(c.Origin, "init["); c.Role == topology.Init && !c.Framework && indexed {
			return at + "init"
		}
	}
	return "init"
}

// whose init containers there are, and what to do.
func whose(g *topology.Group) string {
	if slices.ContainsFunc(g.Containers, func(c topology.Container) bool { return c.Role == topology.Init && c.Framework }) {
		return ", one of them the framework's own: do it in the image, or in the command"
	}
	return ": make them one"
}

func hasKeys(t *topology.Topology, secret string) bool {
	for _, s := range t.Secrets {
		if s.Name == secret {
			return len(keysOf(s)) > 0
		}
	}
	return false
}

// where a container stands in what the user wrote.
func where(c *topology.Container) string {
	if c.Origin != "" {
		return c.Origin
	}
	return fault.Key("containers", c.Name)
}

func checkContainer(l *fault.List, g *topology.Group, c *topology.Container) {
	at := where(c)
	for _, p := range []struct {
		name  string
		probe *topology.Probe
	}{{"startup", c.Probes.Startup}, {"readiness", c.Probes.Readiness}, {"liveness", c.Probes.Liveness}} {
		if p.probe != nil && len(p.probe.Exec) > 0 {
			l.Add(at+".probes."+p.name+".exec", "Nomad's own checks run no commands: probe by http or tcp")
		}
	}
	if c.Hooks.PostStart != nil {
		l.Add(at+".lifecycle_hooks.post_start", "Nomad runs nothing inside a container that has started: do it in the container's own start")
	}
	if c.Hooks.PreStop != nil && (!c.Framework || c.Role != topology.Companion) { // see stages
		l.Add(at+".lifecycle_hooks.pre_stop", "Nomad runs nothing inside a container that is to stop: act on the stop signal, and use termination.drain to wait for clients")
	}
	if c.PullPolicy == topology.PullNever {
		l.Add(at+".pull_policy", "Nomad's docker driver pulls what is not there: use \"if_not_present\"")
	}
	if c.Security.User != nil && *c.Security.User == 0 && !c.Security.Root {
		l.Add(at+".security.user", "is root: allow that by allow_root, or choose another user")
	}
	if c.Security.Group != nil && c.Security.User == nil {
		l.Add(at+".security.group", "Nomad sets a group only together with a user: set security.user, too")
	}
	for _, e := range c.Env {
		if e.Secret != nil && !e.Secret.Own && !variableName.MatchString(e.Secret.Name) {
			l.Add(at+fault.Key(".secret_env", e.Name), "%q is not the path of a variable: letters, digits and -_~/ only", e.Secret.Name)
		}
	}
	for _, m := range c.Mounts {
		for _, v := range g.Volumes {
			if v.Name != m.Volume || m.SubPath == "" {
				continue
			}
			if v.Ephemeral != nil || v.Persistent != nil {
				l.Add(at+fault.Key(".mounts", v.Name)+".sub_path", "Nomad makes no folders inside a volume: mount the whole volume")
			}
		}
	}
}
