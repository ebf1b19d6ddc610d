package nomad

import (
	"strconv"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// user of a task, "" for the image's own.
func user(s topology.Security) string {
	switch {
	case s.User != nil && s.Group != nil:
		return strconv.FormatInt(*s.User, 10) + ":" + strconv.FormatInt(*s.Group, 10)
	case s.User != nil:
		return strconv.FormatInt(*s.User, 10)
	}
	return ""
}

// confine writes the docker driver's words for a container's confinement. Docker's seccomp profile holds by default.
func confine(config map[string]any, s topology.Security) {
	config["readonly_rootfs"] = !s.WritableRoot
	if s.Privileged {
		config["privileged"] = true
		return
	}
	config["cap_drop"] = []string{"all"}
	if len(s.Capabilities) > 0 {
		var add []string
		for _, c := range s.Capabilities {
			add = append(add, strings.ToLower(strings.TrimPrefix(c, "CAP_")))
		}
		config["cap_add"] = add
	}
	var options []string
	if !s.Escalation {
		options = append(options, "no-new-privileges")
	}
	if s.Unconfined {
		options = append(options, "seccomp=unconfined")
	}
	if len(options) > 0 {
		config["security_opt"] = options
	}
}
