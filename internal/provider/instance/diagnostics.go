package instance

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

type diagnostics = diag.Diagnostics

// addError says what failed, why, and what to do.
func (r *Resource) addError(to errorSink, doing string, key topology.Key, err error) {
	summary, detail := r.explain(doing, key, err)
	to.AddError(summary, detail)
}

// AddError is for what is no resource, but asks the same engine: pattern_NAME.
func AddError(to *diag.Diagnostics, t Target, name, doing string, key topology.Key, err error) {
	(&Resource{kind: Kind{Name: name}, target: t}).addError(to, doing, key, err)
}

func (r *Resource) explain(doing string, key topology.Key, err error) (summary, detail string) {
	what := fmt.Sprintf("pattern_%s %q", r.kind.Name, key.Name)
	var (
		configErr *engine.ConfigError
		exists    *engine.ExistsError
		conflict  *engine.ConflictError
		rejected  *engine.RejectedError
		notReady  *engine.NotReadyError
		remains   *engine.RemainsError
		work      *unfinishedError
	)
	switch {
	case errors.As(err, &configErr):
		at := "provider \"pattern\": " + r.target.Engine.Name()
		if configErr.Attribute != "" {
			at += "." + configErr.Attribute
		}
		return configErr.Summary, at + ": " + configErr.Detail
	case errors.As(err, &exists):
		return what + " already exists", fmt.Sprintf("%s.\n\nTo manage it here, import it:\n\n  terraform import pattern_%s.NAME %s\n\nOtherwise choose another name.", exists.Error(), r.kind.Name, importID(key))
	case errors.As(err, &conflict):
		return what + ": others manage the same fields", conflict.Error() + "\n\nLet the other manager give these fields up (an autoscaler's replicas: set replicas = null here), or remove them there."
	case errors.As(err, &rejected):
		return fmt.Sprintf("Cannot %s %s: the %s API refused it", doing, what, r.target.Engine.Name()), rejected.Error()
	case errors.As(err, &notReady):
		return what + " did not become ready: " + notReady.Reason, notReady.Error()
	case errors.As(err, &work) && work.waited > 0:
		return what + " still has work to do", work.Error() + "\n\nIt goes on working. Apply again to go on waiting; timeouts = { create = \"...\", update = \"...\" } gives it longer, and wait = false does not wait." + untaint(doing)
	case errors.As(err, &work):
		return what + " has dead letters", work.Error() + "\n\nMend what is wrong, let them be tried again (on the page, or by `workqueue redrive STAGE -all`), or remove them (`workqueue purge STAGE -state dead`), and apply again." + untaint(doing)
	case errors.As(err, &remains):
		return what + " is not gone yet", remains.Error() + "\n\nApply again to go on waiting. An object that keeps its finalizers waits for whoever set them; timeouts = { delete = \"...\" } gives it longer."
	}
	return fmt.Sprintf("Cannot %s %s", doing, what), err.Error()
}

func importID(key topology.Key) string {
	return strings.TrimPrefix(key.Namespace+"/"+key.Name, "/")
}

// untaint is what to do where Terraform would make anew what runs.
func untaint(doing string) string {
	if doing != "create" {
		return ""
	}
	return " Terraform calls a creation that has failed tainted and would make the instance anew: `terraform untaint` keeps it."
}
