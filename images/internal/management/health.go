package management

import (
	"net/http"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/health"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/lifecycle"
)

// healthAnswer is the body of all three.
type healthAnswer struct {
	Status string          `json:"status"` // "ok" or "failing"
	State  lifecycle.State `json:"state"`
	Reason string          `json:"reason,omitempty"`
	Checks []health.Result `json:"checks"`
}

// live fails only on what a restart would heal; a process that drains is alive.
func (a api) live(w http.ResponseWriter, r *http.Request) {
	a.tell(w, r, a.Live, true, "")
}

// ready fails before the start is complete, from the first moment of termination, and while a check does.
func (a api) ready(w http.ResponseWriter, r *http.Request) {
	status := a.Process.Status()
	reason := ""
	if status.State != lifecycle.Running {
		reason = string(status.State)
		if status.Reason != "" {
			reason += ": " + status.Reason
		}
	}
	a.tell(w, r, a.Ready, reason == "", reason)
}

// startup is well once the start is complete, and stays so.
func (a api) startup(w http.ResponseWriter, r *http.Request) {
	if a.Process.State() == lifecycle.Starting {
		a.tell(w, r, a.Startup, false, "starting")
		return
	}
	a.tell(w, r, nil, true, "")
}

func (a api) tell(w http.ResponseWriter, r *http.Request, checks *health.Checks, well bool, reason string) {
	body := healthAnswer{Status: "ok", State: a.Process.State(), Reason: reason, Checks: []health.Result{}}
	if checks != nil {
		var allWell bool
		body.Checks, allWell = checks.Ask(r.Context())
		well = well && allWell
	}
	if !well {
		body.Status = "failing"
		answer(w, http.StatusServiceUnavailable, body)
		return
	}
	answer(w, http.StatusOK, body)
}
