// Package config is the public face of the log saver: the file that it reads at start, its defaults and its rules.
//
// Who writes the file (a pattern, or a person) imports this package and nothing else of the image. The file is JSON or
// YAML. It holds no secret: cloud credentials come from the environment as the SDKs document them
// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_KEY, ...), all others are
// references to files (password_file, bearer_token_file, key_file), read again for each connection.
package config

// Config is the whole file. Durations are strings ("5s", "1m30s"), sizes are byte counts or strings ("64Mi").
type Config struct {
	// Pattern is the pattern that brought the saver, for logs and metrics ("sidecar").
	Pattern string `json:"pattern,omitempty"`
	// Instance is the name of the pattern's resource.
	Instance string `json:"instance,omitempty"`
	// Namespace is where the instance runs.
	Namespace string `json:"namespace,omitempty"`
	// Container is the saver's own name within its group.
	Container string `json:"container,omitempty"`
	// Source tells the copies of a replicated group apart, in object names and labels. ${NAME} is replaced by that
	// environment variable. It is settled once per state directory, so it outlives a new host name. Default: ${HOSTNAME}.
	Source string `json:"source,omitempty"`
	// Inputs are the files to follow. At least one; names must differ.
	Inputs []Input `json:"inputs"`
	// Poll is how often files are looked at when the kernel sends no notice of a change. Default: 250ms.
	Poll Duration `json:"poll,omitempty"`
	// StateDir keeps the checkpoint. It must be writable, and live as long as the files do. Required.
	StateDir string `json:"state_dir"`
	// Sink is where the records go. Exactly one kind must be given.
	Sink Sink `json:"sink"`
	// Batch says when records become an object or a request.
	Batch Batch `json:"batch,omitzero"`
	// Spool is the disk space that bridges an outage of the sink.
	Spool Spool `json:"spool,omitzero"`
	// Retry is the pace of new attempts at a sink that fails.
	Retry Retry `json:"retry,omitzero"`
	// Management is the management API.
	Management Management `json:"management,omitzero"`
	// Log is the saver's own log.
	Log Log `json:"log,omitzero"`
	// Shutdown is what happens between the signal and the exit.
	Shutdown Shutdown `json:"shutdown,omitzero"`
}

// Input is a named set of files that are read in the same way.
type Input struct {
	// Name is part of object names and labels: lower-case letters, digits and dashes. Required.
	Name string `json:"name"`
	// Paths are absolute globs (*, ?, [a-z]; ** for any number of directories). Links are followed. At least one.
	Paths []string `json:"paths"`
	// Exclude are globs of files to leave out: on the whole path if they begin with a slash, else on the base name.
	Exclude []string `json:"exclude,omitempty"`
	// Rotated are the suffixes (globs) under which a rotation puts a followed file away, so that a file that came and
	// was renamed while the saver was down is found. Compressed files are never read. Default: ".*" and "-*".
	Rotated []string `json:"rotated,omitempty"`
	// Multiline joins lines into records. Without it, each line is a record.
	Multiline *Multiline `json:"multiline,omitempty"`
	// MaxLineBytes is the length from which a line is split into marked pieces. Default: 64Ki.
	MaxLineBytes Bytes `json:"max_line_bytes,omitempty"`
	// From says where to begin with files that are there at the very first start: "beginning" (default; what rotation
	// put away included) or "end". Files that come later are read from their beginning.
	From string `json:"from,omitempty"`
}

// Values of Input.From.
const (
	FromBeginning = "beginning"
	FromEnd       = "end"
)

// Multiline joins the lines of a stack trace, or of any record that spans lines. Exactly one of Preset and Pattern.
type Multiline struct {
	// Preset knows the stack traces of a language: "java", "python" or "go".
	Preset string `json:"preset,omitempty"`
	// Pattern is a regular expression (RE2) that the first line of each record matches.
	Pattern string `json:"pattern,omitempty"`
	// MaxLines is the number of lines from which a record is split. Default: 500.
	MaxLines int `json:"max_lines,omitempty"`
	// Timeout is how long a record may wait for a further line. Default: 2s.
	Timeout Duration `json:"timeout,omitempty"`
}

// Values of Multiline.Preset.
const (
	PresetJava   = "java"
	PresetPython = "python"
	PresetGo     = "go"
)

// Sink is where the records go: exactly one of Bucket, HTTP, Loki and Syslog.
type Sink struct {
	// Timeout bounds one attempt. Default: 30s.
	Timeout Duration `json:"timeout,omitempty"`
	Bucket  *Bucket  `json:"bucket,omitempty"`
	HTTP    *HTTP    `json:"http,omitempty"`
	Loki    *Loki    `json:"loki,omitempty"`
	Syslog  *Syslog  `json:"syslog,omitempty"`
}

// Bucket is an object store or a directory. One batch is one object, whose name repeats on a replay.
type Bucket struct {
	// URL in the form of gocloud.dev/blob: s3://NAME?region=...&endpoint=...&use_path_style=true, gs://NAME,
	// azblob://NAME, file:///DIRECTORY. Required, without credentials.
	URL string `json:"url"`
	// Prefix is put before each object name. Default: none.
	Prefix string `json:"prefix,omitempty"`
	// Compression is "none" (default), "gzip" (objects end in .log.gz) or "zstd" (.log.zst).
	Compression string `json:"compression,omitempty"`
}

// HTTP sends batches as NDJSON by POST.
type HTTP struct {
	// URL receives the batches. http or https, without credentials. Required.
	URL string `json:"url"`
	// Headers are added to each request. Not for secrets.
	Headers map[string]string `json:"headers,omitempty"`
	// Compression of the body: "none" (default), "gzip" or "zstd".
	Compression string `json:"compression,omitempty"`
	Auth        Auth   `json:"auth,omitzero"`
	TLS         TLS    `json:"tls,omitzero"`
}

// Loki pushes to Grafana Loki, or to what speaks its push protocol.
type Loki struct {
	// URL of the server, without the /loki/api/v1/push. Required, without credentials.
	URL string `json:"url"`
	// Tenant is sent as X-Scope-OrgID. Default: none.
	Tenant string `json:"tenant,omitempty"`
	// Labels are added to those of the saver (pattern, instance, namespace, container, input, source).
	Labels map[string]string `json:"labels,omitempty"`
	// Compression of the body: "none" or "gzip" (default).
	Compression string `json:"compression,omitempty"`
	Auth        Auth   `json:"auth,omitzero"`
	TLS         TLS    `json:"tls,omitzero"`
}

// Syslog sends RFC 5424 messages over TCP, framed by octet counting (RFC 6587, 3.4.1).
type Syslog struct {
	// Address is HOST:PORT. Required.
	Address string `json:"address"`
	// Transport is "tls" (default) or "tcp".
	Transport string `json:"transport,omitempty"`
	// Facility is a name of RFC 5424 ("local0", "daemon", ...). Default: local0.
	Facility string `json:"facility,omitempty"`
	// Severity is a name of RFC 5424 ("info", "warning", ...). Default: info.
	Severity string `json:"severity,omitempty"`
	// AppName is the APP-NAME field. Default: the instance's name.
	AppName string `json:"app_name,omitempty"`
	// Hostname is the HOSTNAME field. Default: the source.
	Hostname string `json:"hostname,omitempty"`
	TLS      TLS    `json:"tls,omitzero"`
}

// Auth is how a sink over HTTP is signed in to: by name and password, or by a bearer token, or not at all.
type Auth struct {
	Username     string `json:"username,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
	// BearerTokenFile excludes Username.
	BearerTokenFile string `json:"bearer_token_file,omitempty"`
}

// TLS is how a sink is trusted, and how the saver proves who it is.
type TLS struct {
	// CAFile is a PEM bundle. Default: that of the system.
	CAFile string `json:"ca_file,omitempty"`
	// CertFile and KeyFile are the client's certificate; both or neither.
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	// ServerName is expected in the server's certificate. Default: the host of the address.
	ServerName string `json:"server_name,omitempty"`
	// InsecureSkipVerify trusts any server. Not for production.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// Batch says when records become an object or a request: at the first of both limits.
type Batch struct {
	// MaxBytes of the file that make a batch. The saver holds up to three batches in memory. Default: 2Mi.
	MaxBytes Bytes `json:"max_bytes,omitempty"`
	// MaxAge of the oldest record. Default: 5s.
	MaxAge Duration `json:"max_age,omitempty"`
}

// Spool is the disk space that bridges an outage of the sink. Batches wait there under their final names.
type Spool struct {
	// Dir must be writable. Default: "spool" in the state directory.
	Dir string `json:"dir,omitempty"`
	// MaxBytes of all batches on disk. Default: 256Mi.
	MaxBytes Bytes `json:"max_bytes,omitempty"`
	// After is how long a batch waits for a slow sink in memory before it goes to disk. Default: 1s.
	After Duration `json:"after,omitempty"`
	// OnFull: "block" (default) stops reading; the files are the buffer. "drop_oldest" and "drop_newest" count what they drop.
	OnFull string `json:"on_full,omitempty"`
}

// Values of Spool.OnFull.
const (
	OnFullBlock      = "block"
	OnFullDropOldest = "drop_oldest"
	OnFullDropNewest = "drop_newest"
)

// Retry is the pace of new attempts: doubled from Min to Max, with jitter.
type Retry struct {
	// Min is the first pause. Default: 250ms.
	Min Duration `json:"min,omitempty"`
	// Max is the longest pause. Default: 15s.
	Max Duration `json:"max,omitempty"`
}

// Management is the management API (health, metrics, info, ...).
type Management struct {
	// Address to listen on, HOST:PORT. Default: ":9464".
	Address string `json:"address,omitempty"`
	// Profiling says who may read /debug/pprof: "loopback" (default), "anywhere" or "off".
	Profiling string `json:"profiling,omitempty"`
}

// Log is the saver's own log, in JSON on standard error.
type Log struct {
	// Level is "debug", "info" (default), "warn" or "error".
	Level string `json:"level,omitempty"`
}

// Shutdown is what happens between the signal and the exit.
type Shutdown struct {
	// Grace is the time to read files to their end and to deliver. What is left then stays on disk. Default: 25s.
	Grace Duration `json:"grace,omitempty"`
}

// Values of the Compression fields.
const (
	CompressionNone = "none"
	CompressionGzip = "gzip"
	CompressionZstd = "zstd"
)

// Values of Syslog.Transport.
const (
	TransportTCP = "tcp"
	TransportTLS = "tls"
)
