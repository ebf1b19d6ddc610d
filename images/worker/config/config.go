// Package config is the public face of the worker: the file that it reads at start, its defaults and its rules.
//
// The worker is the entry point of a developer's image. It asks the queue for items and starts the developer's command
// for each, or posts each to the developer's server.
package config

import "github.com/container-patterns/terraform-provider-pattern/images/internal/settings"

// Duration is written as Go writes it: "1m30s".
type Duration = settings.Duration

// The modes.
const (
	ModeExec = "exec"
	ModeHTTP = "http"
)

// What an item's command finds in its environment, and may name as $(NAME) in its arguments.
const (
	EnvItemFile   = "WORK_ITEM_FILE"   // the input; its last name is that of the item, so that it keeps its extension
	EnvOutputFile = "WORK_OUTPUT_FILE" // what is written here becomes the output of the item's name
	EnvOutputDir  = "WORK_OUTPUT_DIR"  // each file below becomes an output of the name ITEM/FILE
	EnvItemName   = "WORK_ITEM_NAME"
	EnvAttempt    = "WORK_ATTEMPT"  // from 1
	EnvDeadline   = "WORK_DEADLINE" // RFC 3339: when the attempt is ended
	EnvStage      = "WORK_STAGE"
)

// Config is the whole file.
type Config struct {
	settings.Settings
	// Stage whose items are worked on. Required.
	Stage string `json:"stage"`
	Queue Queue  `json:"queue"`
	// Mode is "exec" (default) or "http".
	Mode string `json:"mode,omitempty"`
	// Command is started once per item (exec), or once (http): the server. Required.
	Command []string `json:"command"`
	// HTTP is where the developer's server listens; it goes with mode http.
	HTTP *HTTP `json:"http,omitempty"`
	// Concurrency is how many items are worked on at once. Default: 1.
	Concurrency int `json:"concurrency,omitempty"`
	// Timeout of one attempt, after which the command's process group is killed. Default: 5m.
	Timeout Duration `json:"timeout,omitempty"`
	// KillAfter is how long a command has between SIGTERM and SIGKILL. Default: 5s.
	KillAfter Duration  `json:"kill_after,omitempty"`
	ExitCodes ExitCodes `json:"exit_codes,omitzero"`
	// WorkDir holds the files of items in work. It must be writable. Default: "/pattern/work".
	WorkDir string `json:"work_dir,omitempty"`
	// Index of the replica: the name of the variable that holds it. Default: "PATTERN_INDEX".
	IndexEnv string `json:"index_env,omitempty"`
}

// Queue is where items come from.
type Queue struct {
	// EndpointsFile has HOST:PORT of the queue's servers, one a line; it is read again whenever one is needed. Required.
	EndpointsFile string `json:"endpoints_file"`
	// TokenFile has the bearer token. Required.
	TokenFile string `json:"token_file"`
}

// HTTP is the developer's server.
type HTTP struct {
	// Port on localhost. Required.
	Port int `json:"port"`
	// Path that items are posted to. Default: "/". Headers Work-Item-Name, Work-Attempt and Work-Deadline go with them.
	Path string `json:"path,omitempty"`
	// ReadyPath must answer 200 to 399 before items are posted. Default: a connection that opens is enough.
	ReadyPath string `json:"ready_path,omitempty"`
}

// ExitCodes say what the end of a command means. A code that is in neither is permanent. Of a server's answers, 2xx is
// done, 408, 425, 429 and 5xx are to retry, others permanent.
type ExitCodes struct {
	// Done. Default: 0.
	Done []int `json:"done,omitempty"`
	// Retry. Default: 75 (EX_TEMPFAIL of sysexits.h). A signal that nobody here sent (out of memory) is to retry, too.
	Retry []int `json:"retry,omitempty"`
}
