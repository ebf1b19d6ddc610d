package attributes

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Sidecars is the map of sidecars that every resource takes which runs developer containers.
func Sidecars() schema.MapNestedAttribute {
	return objects("Containers beside `main` that share its localhost and volumes, by name. Each is exactly one of `log_saver` and `container`. They start before `main`, end after it, and restart alone.", Map{
		"log_saver": logSaver(),
		"container": object("A container of your own.", container()),
	})
}

func logSaver() nestedObject {
	paths := schema.ListAttribute{Required: true, ElementType: types.StringType, MarkdownDescription: "Absolute globs (`*`, `?`, `[a-z]`, `**` for any folders) of files as `main` sees them; they must lie in volumes that `main` mounts."}
	sink := object("Where the lines go: exactly one of `bucket`, `http`, `loki` and `syslog`.", sinks())
	sink.Required, sink.Optional = true, false
	return object("Collects the files that `main` writes and streams them to cluster storage; nothing is lost or doubled over rotations, restarts and outages of the storage.", Map{
		"paths":   paths,
		"exclude": strs("Globs of files to leave out: of the whole path if they begin with `/`, else of the base name."),
		"rotated": strs("Suffixes (globs) under which a rotation puts a file away. Default: `.*` and `-*`."),
		"from":    str("Where to begin with files that are there at the very first start: `beginning` (default) or `end`."),
		"multiline": object("Joins lines into records. Exactly one of `preset` and `pattern`.", Map{
			"preset":    str("Stack traces of `java`, `python` or `go`."),
			"pattern":   str("Regular expression (RE2) of the first line of each record."),
			"max_lines": number("Lines from which a record is split. Default: 500."),
			"timeout":   str("How long a record may wait for a further line. Default: `2s`.", duration),
		}),
		"max_line_bytes": str("Length from which a line is split into marked pieces. Default: `64Ki`.", bytes),
		"sink":           sink,
		"batch": object("When lines become an object or a request: at the first of both limits.", Map{
			"max_bytes": str("Bytes of a batch. Default: `2Mi`.", bytes),
			"max_age":   str("Age of the oldest line. Default: `5s`.", duration),
		}),
		"spool": object("Disk space that bridges an outage of the sink.", Map{
			"max_bytes": str("Size of all that waits. Default: `256Mi`.", bytes),
			"after":     str("How long a batch waits for a slow sink in memory before it goes to disk. Default: `1s`.", duration),
			"on_full":   str("`block` (default: stops reading, the files are the buffer), `drop_oldest` or `drop_newest` (both count what they drop)."),
		}),
		"retry": object("Pace of new attempts at a sink that fails, doubled from `min` to `max`.", Map{
			"min": str("First pause. Default: `250ms`.", duration),
			"max": str("Longest pause. Default: `15s`.", duration),
		}),
		"image":      str("Replaces the provider's own image of the log saver."),
		"env":        strMap("Environment variables of the log saver, such as `AWS_REGION`."),
		"secret_env": secretEnv(),
		"mounts":     mounts(),
		"resources":  resources("10m of CPU without a limit, 32Mi of memory with a limit of 96Mi"),
	})
}

func sinks() Map {
	url := func(doc string) schema.StringAttribute { return required(str(doc)) }
	return Map{
		"timeout": str("Bound of one attempt. Default: `30s`.", duration),
		"bucket": object("An object store or a directory. Credentials come from `secret_env` (`AWS_ACCESS_KEY_ID`, ...) or from the machine.", Map{
			"url":         url("`s3://NAME?region=...`, `gs://NAME`, `azblob://NAME` or `file:///DIRECTORY`. S3-compatible stores take `endpoint` and `use_path_style=true`."),
			"prefix":      str("Put before each object name. Default: the instance's name and a slash."),
			"compression": str("`none` (default), `gzip` or `zstd`."),
		}),
		"http": object("NDJSON by POST.", Map{
			"url":         url("Receives the batches."),
			"headers":     strMap("Added to each request. Not for secrets."),
			"compression": str("`none` (default), `gzip` or `zstd`."),
			"auth":        auth(),
			"tls":         tls(),
		}),
		"loki": object("Grafana Loki, or what speaks its push protocol.", Map{
			"url":         url("Of the server, without `/loki/api/v1/push`."),
			"tenant":      str("Sent as `X-Scope-OrgID`."),
			"labels":      strMap("Beside those of the saver: pattern, instance, namespace, container, input, source."),
			"compression": str("`none` or `gzip` (default)."),
			"auth":        auth(),
			"tls":         tls(),
		}),
		"syslog": object("RFC 5424 over TCP, framed by octet counts.", Map{
			"address":   required(str("`HOST:PORT`.")),
			"transport": str("`tls` (default) or `tcp`."),
			"facility":  str("Name of a facility. Default: `local0`."),
			"severity":  str("Name of a severity. Default: `info`."),
			"app_name":  str("Default: the instance's name."),
			"hostname":  str("Default: the replica."),
			"tls":       tls(),
		}),
	}
}

func auth() nestedObject {
	return object("How the log saver signs in. Files come from a `secret` volume in `mounts`.", Map{
		"username":          str("Name for basic authentication."),
		"password_file":     str("File that holds the password."),
		"bearer_token_file": str("File that holds a bearer token; excludes `username`."),
	})
}

func tls() nestedObject {
	return object("Whom the log saver trusts, and how it proves who it is.", Map{
		"ca_file":              str("PEM bundle. Default: that of the system."),
		"cert_file":            str("Client certificate; goes with `key_file`."),
		"key_file":             str("Key of the client certificate."),
		"server_name":          str("Expected in the server's certificate. Default: the host of the address."),
		"insecure_skip_verify": flag("Trusts any server. Not for production."),
	})
}
