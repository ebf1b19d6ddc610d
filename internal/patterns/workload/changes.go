package workload

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
)

// Changes says what of a change from a former instance needs a new one.
func (i *Instance) Changes(former *Instance) (replaced fault.List) {
	if i.Name != former.Name {
		replaced.Add("name", "an instance cannot be renamed: it is made anew under the new name")
	}
	if i.Namespace != former.Namespace {
		replaced.Add("namespace", "an instance cannot move to another namespace: it is made anew there")
	}
	return replaced
}

// Changes says what of a change from a former workload needs a new instance, and what cannot be done at all.
func (w *Workload) Changes(former *Workload) (replaced, refused fault.List) {
	if orElse(w.Identity, "interchangeable") != orElse(former.Identity, "interchangeable") {
		replaced.Add("identity", "the engines keep interchangeable and stable replicas as different kinds of objects, and neither becomes the other")
	}
	for _, k := range sorted(former.Volumes) {
		was, is := former.Volumes[k].Persistent, w.Volumes[k].Persistent
		if was == nil || is == nil || was.Existing != "" || is.Existing != "" {
			continue
		}
		for _, c := range []struct {
			attribute string
			settled   bool
		}{{"class", was.Class != is.Class}, {"size", is.Size < was.Size}, {"shared", was.Shared != is.Shared}} {
			if !c.settled {
				continue
			}
			at := fault.Key("volumes", k) + ".persistent." + c.attribute
			if was.DeleteWithInstance {
				replaced.Add(at, "it is settled when a volume is made, so the instance is made anew, and its data is deleted with it (delete_with_instance)")
			} else {
				refused.Add(at, "it is settled when a volume is made, and a new instance would find the volume that is kept: give the volume another name, or set delete_with_instance and apply that first if the data may go")
			}
		}
	}
	return replaced, refused
}
