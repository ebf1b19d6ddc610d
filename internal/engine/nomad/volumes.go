package nomad

import (
	"cmp"
	"math"
	"path"
	"slices"
	"strconv"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// slots are the folders of an allocation that stand for ephemeral volumes, by volume, as seen from a task's folder. The
// slot inRAM is a tmpfs of the only container that mounts the volume.
//
// Containers run as different users, and only few folders of an allocation may be written by all of them: Nomad makes
// alloc/data and alloc/tmp for the group and tmp for each task, with mode 0777, and everything that docker or a template
// makes below belongs to root. So a group has room for two volumes that its containers share, and each container for one
// of its own; smaller ones of its own beyond that go into memory.
type slots map[string]string

// The folders for shared volumes, relative to a task's.
var sharedSlots = []string{"../alloc/data", "../alloc/tmp"}

const (
	ownSlot = "tmp"
	inRAM   = "tmpfs"
	// What a volume may hold that is put into memory without having been asked for.
	mostInRAM = 64 << 20
)

// slotsOf gives volumes their folders; a volume without one has found no room.
func slotsOf(g *topology.Group) slots {
	out, free := slots{}, sharedSlots
	var alone []topology.Volume
	for _, v := range g.Volumes {
		switch users := usersOf(g, v.Name); {
		case v.Ephemeral == nil:
		case len(users) == 1 && v.Ephemeral.Memory:
			out[v.Name] = inRAM
		case len(users) == 1:
			alone = append(alone, v)
		case len(free) > 0 && len(users) > 1:
			out[v.Name], free = free[0], free[1:]
		}
	}
	// The largest stay on disk; one without a size may become the largest.
	slices.SortStableFunc(alone, func(a, b topology.Volume) int { return cmp.Compare(weight(b), weight(a)) })
	taken := map[string]bool{} // containers whose own folder is in use
	for _, v := range alone {
		switch user := usersOf(g, v.Name)[0]; {
		case !taken[user]:
			taken[user] = true
			out[v.Name] = ownSlot
		case len(free) > 0:
			out[v.Name], free = free[0], free[1:]
		case weight(v) <= mostInRAM:
			out[v.Name] = inRAM
		}
	}
	return out
}

func weight(v topology.Volume) int64 {
	if v.Ephemeral.SizeBytes == 0 {
		return math.MaxInt64
	}
	return v.Ephemeral.SizeBytes
}

// usersOf are the containers that mount a volume.
func usersOf(g *topology.Group, volume string) (out []string) {
	for _, c := range g.Containers {
		for _, m := range c.Mounts {
			if m.Volume == volume {
				out = append(out, c.Name)
				break
			}
		}
	}
	return out
}

// mounts shows the group's volumes to a task.
func (b *builder) mounts(task *api.Task, g *topology.Group, c *topology.Container, s slots) {
	var binds []string
	var mounts []map[string]any
	rendered := map[string]bool{}
	render := func(name string, templates []*api.Template) {
		if !rendered[name] {
			rendered[name] = true
			task.Templates = append(task.Templates, templates...)
		}
	}
	bind := func(source string, m topology.Mount, readOnly bool) {
		mode := ""
		if readOnly {
			mode = ":ro"
		}
		binds = append(binds, literal(path.Join(source, m.SubPath)+":"+m.Path+mode))
	}
	for _, m := range c.Mounts {
		for _, v := range g.Volumes {
			if v.Name != m.Volume {
				continue
			}
			switch {
			case v.Config != "":
				folder := "local/configs/" + v.Config
				render(folder, b.configTemplates(v.Config, folder))
				bind(folder, m, true)
			case v.Secret != nil:
				folder := "secrets/volumes/" + v.Name
				render(folder, b.secretTemplates(v.Secret.Name, folder))
				bind(folder, m, true)
			case v.Endpoints != nil:
				folder := "local/endpoints/" + v.Name
				render(folder, b.endpointTemplates(v.Endpoints, folder))
				bind(folder, m, true)
			case v.Persistent != nil:
				task.VolumeMounts = append(task.VolumeMounts, &api.VolumeMount{Volume: new(v.Name), Destination: new(m.Path), ReadOnly: new(m.ReadOnly)})
			case s[v.Name] == inRAM:
				options := map[string]any{"mode": 0o1777}
				if v.Ephemeral.SizeBytes > 0 {
					options["size"] = v.Ephemeral.SizeBytes
				}
				mounts = append(mounts, map[string]any{"type": "tmpfs", "target": literal(m.Path), "readonly": m.ReadOnly, "tmpfs_options": options})
			default:
				bind(s[v.Name], m, m.ReadOnly)
			}
		}
	}
	if len(binds) > 0 {
		task.Config["volumes"] = binds
	}
	if len(mounts) > 0 {
		task.Config["mount"] = mounts
	}
}

// HostVolume is one that Nomad makes on demand.
type HostVolume struct {
	// Name of the volume; a stable group has one for each index: "web-data[0]".
	Name string
	// Group whose replicas use it, PerReplica one each.
	Group      string
	PerReplica bool
	Plugin     string
	SizeBytes  int64
	AccessMode api.HostVolumeAccessMode
	// NodePool and Constraints are those of the job, so that it can be placed where the volume is.
	NodePool    string
	Constraints []*api.Constraint
	// Delete it with the instance.
	Delete bool
}

// defaultPlugin makes a folder; every client has it.
const defaultPlugin = "mkdir"

func (b *builder) persistent(g *topology.Group, x Extras) map[string]*api.VolumeRequest {
	var out map[string]*api.VolumeRequest
	job, _ := jobExtras(b.t)
	for _, v := range g.Volumes {
		p := v.Persistent
		if p == nil {
			continue
		}
		r := &api.VolumeRequest{Name: v.Name, Type: "host", Source: p.Existing}
		if p.Existing == "" {
			h := HostVolume{
				Name: b.t.Name + "-" + v.Name, Group: g.Name, PerReplica: g.Identity == topology.Stable,
				Plugin: p.Class, SizeBytes: p.SizeBytes, AccessMode: api.HostVolumeAccessModeSingleNodeMultiWriter,
				NodePool: job.NodePool, Constraints: placeable(x.constraints()), Delete: p.DeleteWithInstance,
			}
			if len(b.t.Groups) > 1 {
				h.Name = b.t.Name + "-" + g.Name + "-" + v.Name
			}
			if h.Plugin == "" {
				h.Plugin = defaultPlugin
			}
			b.plan.Volumes = append(b.plan.Volumes, h)
			r.Source, r.PerAlloc = h.Name, h.PerReplica
			r.AccessMode, r.AttachmentMode = string(h.AccessMode), string(api.HostVolumeAttachmentModeFilesystem)
		}
		if out == nil {
			out = map[string]*api.VolumeRequest{}
		}
		out[v.Name] = r
	}
	return out
}

// placeable constraints are about a node, not about other replicas.
func placeable(in []*api.Constraint) (out []*api.Constraint) {
	for _, c := range in {
		if c.Operand != "distinct_hosts" && c.Operand != "distinct_property" {
			out = append(out, c)
		}
	}
	return out
}

// names of the volume for so many replicas.
func (h HostVolume) names(replicas int) []string {
	if !h.PerReplica {
		return []string{h.Name}
	}
	out := make([]string, replicas)
	for i := range out {
		out[i] = h.Name + "[" + strconv.Itoa(i) + "]"
	}
	return out
}
