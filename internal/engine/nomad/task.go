package nomad

import (
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func (b *builder) task(g *topology.Group, c *topology.Container, st stages, ports groupPorts, slots slots) *api.Task {
	task := &api.Task{
		Name: c.Name, Driver: "docker",
		User:        user(c.Security),
		Config:      dockerConfig(c),
		Resources:   b.resources(c.Resources),
		KillTimeout: new(time.Duration(max(1, g.Termination.GraceSeconds)) * time.Second),
		KillSignal:  c.StopSignal,
		LogConfig:   &api.LogConfig{MaxFiles: new(logFiles), MaxFileSizeMB: new(logFileMB)},
	}
	st.apply(task, c.Role, g.Identity)
	if c.Role == topology.Companion && g.Identity == topology.ToCompletion {
		// It has to live as long as main does, whatever main's retries.
		task.RestartPolicy = restart(&topology.Group{Identity: topology.Interchangeable})
	}
	b.environment(task, g, c)
	b.mounts(task, g, c, slots)
	task.Services = ports.services(b.t, g, c)
	if len(task.Services) > 0 && c.Role == topology.Main {
		task.ShutdownDelay = time.Duration(g.Termination.DrainSeconds) * time.Second
	}
	if tokenFor(g, c) {
		task.Identity = &api.WorkloadIdentity{Name: "default", Env: true, File: true}
	}
	return task
}

// dockerConfig is the driver's part. Its strings are HCL templates to Nomad, so what users wrote is escaped.
func dockerConfig(c *topology.Container) map[string]any {
	config := map[string]any{"image": literal(c.Image)}
	if len(c.Command) > 0 {
		config["entrypoint"] = literals(c.Command)
	}
	if len(c.Args) > 0 {
		config["args"] = literals(c.Args)
	}
	if c.WorkDir != "" {
		config["work_dir"] = literal(c.WorkDir)
	}
	if c.PullPolicy == topology.PullAlways {
		config["force_pull"] = true
	}
	if hardCPU(c.Resources) {
		config["cpu_hard_limit"] = true
	}
	confine(config, c.Security)
	return config
}

// literal keeps Nomad from evaluating a string of a driver's configuration.
func literal(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s)
}

func literals(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = literal(s)
	}
	return out
}

// reference is what Nomad replaces in a task's env, if it knows the name. There is no way to escape it.
var reference = regexp.MustCompile(`\$\{[a-zA-Z0-9_\-.]+\}`)

// field is a fact that Nomad knows of a replica. The address is the node's, where published ports are reached.
func (b *builder) field(g *topology.Group, e topology.Env) string {
	switch e.Field {
	case topology.FieldReached:
		return "${NOMAD_HOST_ADDR_" + label(e.Port) + "}"
	case topology.FieldName:
		return fieldName(b.t, g)
	}
	return fields[e.Field]
}

func fieldName(t *topology.Topology, g *topology.Group) string {
	name := t.Name
	if g.Name != "main" {
		name += "-" + g.Name
	}
	if g.Identity == topology.Interchangeable {
		return name + "-${NOMAD_SHORT_ALLOC_ID}"
	}
	return name + "-${NOMAD_ALLOC_INDEX}"
}

var fields = map[topology.Field]string{
	topology.FieldReplica:   "${NOMAD_ALLOC_ID}",
	topology.FieldIndex:     "${NOMAD_ALLOC_INDEX}",
	topology.FieldAddress:   "${attr.unique.network.ip-address}",
	topology.FieldNode:      "${node.unique.name}",
	topology.FieldNamespace: "${NOMAD_NAMESPACE}",
}

// environment sets variables. Secrets, and values that Nomad would replace parts of, come from a template that it renders
// into memory and reads back.
func (b *builder) environment(task *api.Task, g *topology.Group, c *topology.Container) {
	var lines []string
	for _, e := range c.Env {
		switch {
		case e.Secret != nil:
			lines = append(lines, e.Name+"="+b.secretExpression(*e.Secret, true))
		case e.Field != "":
			setEnv(task, e.Name, b.field(g, e))
		case reference.MatchString(e.Value):
			lines = append(lines, e.Name+"={{ "+quoted(e.Value)+" | toJSON }}")
		default:
			setEnv(task, e.Name, e.Value)
		}
	}
	if len(lines) > 0 {
		body := b.secretVersions(c) + strings.Join(lines, "\n") + "\n"
		task.Templates = append(task.Templates, template(body, "secrets/environment", "0400", func(t *api.Template) { t.Envvars = new(true) }))
	}
}

func setEnv(task *api.Task, name, value string) {
	if task.Env == nil {
		task.Env = map[string]string{}
	}
	task.Env[name] = value
}
