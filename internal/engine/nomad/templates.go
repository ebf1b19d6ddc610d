package nomad

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// template rendered below the task's directory. A change of what it reads is written in place and disturbs nobody: what
// has to restart a container changes the template itself.
func template(body, destination, perms string, more ...func(*api.Template)) *api.Template {
	t := &api.Template{
		EmbeddedTmpl: new(body), DestPath: new(destination), Perms: new(perms), ChangeMode: new("noop"),
		LeftDelim: new("{{"), RightDelim: new("}}"),
	}
	for _, f := range more {
		f(t)
	}
	return t
}

// verbatim is a template that renders to the content itself: its delimiter does not occur there.
func verbatim(content, destination, perms string) *api.Template {
	if content == "" { // Nomad takes no empty template
		return template(`{{ "" }}`, destination, perms)
	}
	delimiter := "{{"
	for i := 0; strings.Contains(content, delimiter); i++ {
		delimiter = "<" + strconv.Itoa(i) + "{"
	}
	return template(content, destination, perms, func(t *api.Template) { t.LeftDelim = new(delimiter) })
}

// quoted is a string in the template language.
func quoted(s string) string { return strconv.Quote(s) }

// variablePath of an instance. Nomad lets the tasks of a job read this one without any policy.
func variablePath(job string) string { return "nomad/jobs/" + job }

// Items of the instance's variable.
func configItem(config, file string) string { return "config/" + config + "/" + file }
func secretItem(secret, key string) string  { return "secret/" + secret + "/" + key }

const recordItem = "record"

// expression reads one item of a variable; a missing one fails the task with a message that says so.
func expression(variable, item, filter string) string {
	return fmt.Sprintf(`{{ with nomadVar %s }}{{ if not (sprig_hasKey .ItemsMap %s) }}{{ sprig_fail %s }}{{ end }}{{ index .ItemsMap %s%s }}{{ end }}`,
		quoted(variable), quoted(item), quoted(fmt.Sprintf("the variable %s has no item %q", variable, item)), quoted(item), filter)
}

// secretExpression reads a secret, as JSON where a line of an env file has to carry it.
func (b *builder) secretExpression(k topology.SecretKey, line bool) string {
	filter := ""
	if line {
		filter = " | toJSON"
	}
	if k.Own {
		return expression(b.plan.Path, secretItem(k.Name, k.Key), filter)
	}
	return expression(k.Name, k.Key, filter)
}

// secretVersions is a comment, so that another version of a secret restarts the container that reads it.
func (b *builder) secretVersions(c *topology.Container) string {
	var names []string
	for _, e := range c.Env {
		if e.Secret != nil && e.Secret.Own {
			names = append(names, e.Secret.Name)
		}
	}
	return b.versionComment(names)
}

func (b *builder) versionComment(names []string) string {
	slices.Sort(names)
	var out string
	for _, name := range slices.Compact(names) {
		for _, s := range b.t.Secrets {
			if s.Name == name && s.Version != "" {
				out += "{{/* version " + strings.ReplaceAll(quoted(s.Name+" "+s.Version), "*/", "* /") + " */}}"
			}
		}
	}
	return out
}

// keysOf are those that a secret of the instance is known to have.
func keysOf(s topology.Secret) []string {
	keys := append(slices.Clone(s.Keys), sorted(s.Generate)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (b *builder) secrets() {
	for _, s := range b.t.Secrets {
		for _, k := range keysOf(s) {
			b.plan.Secrets = append(b.plan.Secrets, SecretItem{Item: secretItem(s.Name, k), Secret: s.Name, Key: k, Generate: s.Generate[k]})
		}
	}
}

// configs that reload live in the variable.
func (b *builder) configs() {
	for _, c := range b.t.Configs {
		if c.Reload {
			for file, content := range c.Files {
				b.plan.Items[configItem(c.Name, file)] = content
			}
		}
	}
}

// configTemplates render the files of a config below a folder.
func (b *builder) configTemplates(name, folder string) (out []*api.Template) {
	for _, c := range b.t.Configs {
		if c.Name != name {
			continue
		}
		for _, file := range sorted(c.Files) {
			destination := path.Join(folder, file)
			if c.Reload {
				out = append(out, template(expression(b.plan.Path, configItem(name, file), ""), destination, "0444"))
			} else {
				out = append(out, verbatim(c.Files[file], destination, "0444"))
			}
		}
	}
	return out
}

// secretTemplates render one file for each key of an own secret.
func (b *builder) secretTemplates(name, folder string) (out []*api.Template) {
	for _, s := range b.t.Secrets {
		if s.Name != name {
			continue
		}
		for _, key := range keysOf(s) {
			body := b.versionComment([]string{name}) + b.secretExpression(topology.SecretKey{Name: name, Key: key, Own: true}, false)
			out = append(out, template(body, path.Join(folder, key), "0444"))
		}
	}
	return out
}
