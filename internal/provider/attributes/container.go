package attributes

import "maps"

// container is a developer's container.
func container() Map {
	return Map{
		"image":           required(str("Image reference, `REGISTRY/NAME:TAG` or `REGISTRY/NAME@sha256:DIGEST`.")),
		"pull_policy":     str("When the image is fetched: `always`, `if_not_present` or `never`. Default: the engine's own."),
		"command":         strs("Replaces the image's entry point."),
		"args":            strs("Replaces the image's default arguments."),
		"working_dir":     str("Absolute path in which the command starts. Default: the image's own."),
		"env":             strMap("Environment variables. They are stored in the state: put secrets into `secret_env`."),
		"secret_env":      secretEnv(),
		"ports":           ports(),
		"mounts":          mounts(),
		"resources":       resources(""),
		"probes":          probes(),
		"lifecycle_hooks": hooks(),
		"security":        security(),
		"stop_signal":     str("Signal that asks the container to end, such as `SIGQUIT`. Default: the image's own. Nomad only: Kubernetes takes it from the image."),
	}
}

func secretEnv() nestedMap {
	return objects("Environment variables from secrets, by name. Only the reference is stored in the state.", Map{
		"secret": required(str("Name of one of the instance's `secrets`, or of a secret that exists: a Kubernetes Secret, the path of a Nomad variable.")),
		"key":    required(str("Key in the secret.")),
	})
}

func ports() nestedMap {
	return objects("Ports that the container listens on, by name (at most 15 lower-case letters, digits and dashes). All containers of a group share localhost, so no two of them may have the same port.", Map{
		"port":     int64Required("Number, 1 to 65535."),
		"protocol": str("`tcp` (default) or `udp`."),
	})
}

func mounts() nestedMap {
	return objects("Volumes that the container sees, by the name that they have in `volumes`.", Map{
		"path":      required(str("Absolute path in the container.")),
		"sub_path":  str("Folder within the volume. Default: all of it."),
		"read_only": flag("Whether the container may only read. Default: `false`."),
	})
}

func resources(byDefault string) nestedObject {
	doc := "What the container is promised and what it may not exceed. A container with a small CPU request and no CPU limit scavenges what the others leave; one with a large request keeps its latency."
	if byDefault != "" {
		doc += " Default: " + byDefault + "."
	}
	amounts := func() Map {
		return Map{
			"cpu":     str("Cores, as `250m`, `0.25` or `2`. On Nomad it is computed into MHz from the nodes' own figures.", cpu),
			"memory":  str("Bytes, as `128Mi`.", size),
			"storage": str("Bytes of ephemeral storage, as `1Gi`.", size),
		}
	}
	return object(doc, Map{
		"requests": object("Promised: the scheduler finds a machine that has it to spare.", amounts()),
		"limits":   object("Not exceeded: CPU is throttled, a container above its memory is killed.", amounts()),
	})
}

func action(doc string) nestedObject {
	return object(doc, Map{
		"port":   required(str("Name of one of the container's `ports`.")),
		"path":   str("Path of the request. Default: `/`."),
		"scheme": str("`http` (default) or `https` (the certificate is not verified)."),
	})
}

func probes() nestedObject {
	probe := func(doc string) nestedObject {
		return object(doc+" Exactly one of `http`, `tcp` and `exec`.", Map{
			"http":              action("A GET that must be answered with 200 to 399."),
			"tcp":               object("A connection that must open.", Map{"port": required(str("Name of one of the container's `ports`."))}),
			"exec":              strs("A command in the container that must exit with 0. Kubernetes only: Nomad has no such probe without Consul."),
			"period":            str("Time from one probe to the next. Default: `10s`.", duration),
			"timeout":           str("Time for an answer. Default: `1s`.", duration),
			"failure_threshold": number("Failures in a row before it counts. Default: 3."),
			"initial_delay":     str("Time before the first probe. Default: `0s`.", duration),
		})
	}
	return object("Questions to the container.", Map{
		"startup":   probe("Must succeed once before the other probes begin."),
		"readiness": probe("While it fails, no service sends requests."),
		"liveness":  probe("When it fails, the container is restarted."),
	})
}

func hooks() nestedObject {
	hook := func(doc string) nestedObject {
		return object(doc+" Exactly one of `exec` and `http`.", Map{
			"exec": strs("A command in the container."),
			"http": action("A GET to the container."),
		})
	}
	return object("What happens at the turning points of the container's life.", Map{
		"post_start": hook("Right after the container has started."),
		"pre_stop":   hook("Before the container is asked to end. On Kubernetes it takes the place of the drain."),
	})
}

func security() nestedObject {
	return object("Loosens the container's confinement. By default it is not root, cannot write to its image, cannot gain privileges, has no capabilities and runs under the runtime's seccomp filter.", Map{
		"user":                       number("Numeric user ID. Default: the image's own, which must not be root."),
		"group":                      number("Numeric group ID. Default: the image's own."),
		"allow_root":                 flag("Whether the container may run as root. Default: `false`."),
		"writable_root":              flag("Whether the image's own file system can be written. Default: `false`."),
		"allow_privilege_escalation": flag("Whether programs can gain privileges that their parent has not. Default: `false`."),
		"privileged":                 flag("Whether the container has all of the machine. Default: `false`."),
		"capabilities":               strs("Capabilities that are kept, such as `NET_BIND_SERVICE`. Default: none."),
		"seccomp":                    str("`runtime_default` (default) or `unconfined`."),
	})
}

// Merged joins maps of attributes.
func Merged(parts ...Map) Map {
	out := Map{}
	for _, p := range parts {
		maps.Copy(out, p)
	}
	return out
}
