package workload

import (
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
)

// Replacement says why an instance cannot become another in place.
func (i *Instance) Replacement(former *Instance) (why fault.List) {
	if i.Name != former.Name {
		why.Add("name", "an instance cannot be renamed: it is made anew under the new name")
	}
	if i.Namespace != former.Namespace {
		why.Add("namespace", "an instance cannot move to another namespace: it is made anew there")
	}
	return why
}

// Replacement says why a workload cannot become another in place.
func (w *Workload) Replacement(former *Workload) (why fault.List) {
	if orElse(w.Identity, "interchangeable") != orElse(former.Identity, "interchangeable") {
		why.Add("identity", "the engines keep interchangeable and stable replicas as different kinds of objects, and neither becomes the other")
	}
	for _, k := range sorted(former.Volumes) {
		was, is := former.Volumes[k].Persistent, w.Volumes[k].Persistent
		if was == nil || is == nil || was.Existing != "" || is.Existing != "" {
			continue
		}
		at := fault.Key("volumes", k) + ".persistent"
		if was.Class != is.Class {
			why.Add(at+".class", "the class of a volume is settled when it is made (its data stays, under the old volume)")
		}
		if was.Size != is.Size {
			why.Add(at+".size", "the size of a volume is settled when it is made (its data stays, under the old volume)")
		}
	}
	return why
}
