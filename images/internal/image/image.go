// Package image is the frame of every image's main: it reads the configuration, starts the log and the management API, hands over to the image, and sees it to its end.
//
//	func main() {
//		image.Main(image.Definition[config.Config]{Name: "logsaver", Settings: common, Start: start})
//	}
//
//	func start(ctx context.Context, rt *image.Runtime[config.Config]) error {
//		// build the parts from rt.File.Current(), register checks, metrics and hooks, start tasks with rt.Process.Go, and return
//	}
//
// Flags: -config PATH (or the variable PATTERN_CONFIG; default /etc/pattern/config.yaml), -check (validate the configuration and exit), -version.
package image

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/configfile"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/health"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/identity"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/lifecycle"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/logging"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/management"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/memory"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

// DefaultConfig is where an engine mounts the configuration.
const DefaultConfig = "/etc/pattern/config.yaml"

// EnvConfig names another place.
const EnvConfig = "PATTERN_CONFIG"

// A Definition is one image.
type Definition[C any] struct {
	// Name is the image's.
	Name string
	// Settings finds in the image's configuration what all images have. What it leaves empty has the defaults of package settings.
	Settings func(*C) settings.Settings
	// Start builds the image's parts and returns; what goes on runs in tasks (Runtime.Process.Go). Its context is that of the tasks. An error ends the process.
	Start func(ctx context.Context, rt *Runtime[C]) error
}

// A Runtime is what an image builds on.
type Runtime[C any] struct {
	Identity identity.Identity
	File     *configfile.File[C]
	Log      *logging.Log
	Metrics  *prometheus.Registry
	Process  *lifecycle.Process
	// Live, Ready and Startup take the image's own checks.
	Live, Ready, Startup *health.Checks
	// Management is where the management API listens.
	Management string
	// Handle adds an image's own part to the management API, by a pattern of http.ServeMux. It goes before what all images have.
	// Who may reach the port may reach it: it should only read.
	Handle func(pattern string, handler http.Handler)
}

// Main runs an image and exits.
func Main[C any](def Definition[C]) {
	os.Exit(Run(def, os.Args[1:], os.Stdout, os.Stderr))
}

// Run runs an image to its end and gives the exit code.
func Run[C any](def Definition[C], args []string, stdout, stderr io.Writer) int {
	path := DefaultConfig
	if fromEnv := os.Getenv(EnvConfig); fromEnv != "" {
		path = fromEnv
	}
	flags := flag.NewFlagSet(def.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&path, "config", path, "the configuration `file`, YAML or JSON ($"+EnvConfig+")")
	check := flags.Bool("check", false, "validate the configuration and exit")
	version := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return lifecycle.ExitClean
		}
		return lifecycle.ExitConfig
	}
	if *version {
		id := identity.New(def.Name, settings.Identity{})
		fmt.Fprintln(stdout, def.Name, id.Version, id.Go)
		return lifecycle.ExitClean
	}
	file, err := configfile.Open[C](path)
	if err == nil {
		_, err = def.settings(file.Current())
	}
	if err != nil {
		fmt.Fprintln(stderr, err) // for a person's eyes, one fault a line: there is no log yet
		return lifecycle.ExitConfig
	}
	if *check {
		fmt.Fprintln(stdout, path, "is valid")
		return lifecycle.ExitClean
	}
	return run(def, file, stderr)
}

// settings gives the shared settings with their defaults.
func (def Definition[C]) settings(config *C) (settings.Settings, error) {
	common := def.Settings(config)
	common.SetDefaults()
	return common, common.Validate()
}

func run[C any](def Definition[C], file *configfile.File[C], stderr io.Writer) int {
	common, err := def.settings(file.Current())
	if err != nil {
		fmt.Fprintln(stderr, err)
		return lifecycle.ExitConfig
	}
	level, _ := common.Log.SlogLevel() // validated
	id := identity.New(def.Name, common.Identity)
	log := logging.New(stderr, id, level, common.Log.KeepBytes)
	slog.SetDefault(log.Logger) // what a library says belongs to the same log
	file.Log(log.Logger)
	process := lifecycle.New(log.Logger, common.Lifecycle.Grace.Std(), common.Lifecycle.DrainDelay.Std(), os.Exit)
	defer process.Signals()()

	rt := &Runtime[C]{
		Identity: id, File: file, Log: log, Process: process,
		Metrics: prometheus.NewRegistry(),
		Live:    &health.Checks{}, Ready: &health.Checks{}, Startup: &health.Checks{},
	}
	server, err := management.Listen(common.Management.Address, management.Sources{
		Identity: id, Process: process, Log: log,
		Live: rt.Live, Ready: rt.Ready, Startup: rt.Startup,
		Metrics:   rt.Metrics,
		Config:    func() any { return file.Current() },
		Reloads:   file.Status,
		Profiling: common.Management.Profiling,
	})
	if err != nil {
		log.Error("not started", "error", err.Error())
		return lifecycle.ExitFailure
	}
	defer server.Close()
	rt.Management, rt.Handle = server.Address(), server.Handle
	log.Info("starting", "image", def.Name, "version", id.Version, "management", rt.Management, "memory_limit_bytes", memory.Limit())

	file.OnChange(func(old, changed *C) error { return def.apply(old, changed, log, process) })
	if err := process.Start(func(ctx context.Context) error { return def.Start(ctx, rt) }); err != nil {
		log.Error("not started", "error", err.Error())
		return lifecycle.ExitFailure
	}
	process.Go("watch configuration", file.Watch)
	return process.Wait()
}

// apply puts the shared settings that can change at run time into use and refuses changes of the others.
func (def Definition[C]) apply(oldConfig, changedConfig *C, log *logging.Log, process *lifecycle.Process) error {
	old, _ := def.settings(oldConfig) // validated when it came into use
	changed, err := def.settings(changedConfig)
	if err != nil {
		return err
	}
	switch {
	case old.Management != changed.Management:
		return errors.New("management: cannot change without a restart")
	case old.Identity != changed.Identity:
		return errors.New("the container's identity cannot change without a restart")
	case old.Log.KeepBytes != changed.Log.KeepBytes:
		return errors.New("log.keep_bytes: cannot change without a restart")
	}
	level, err := changed.Log.SlogLevel()
	if err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	log.Level.Set(level)
	process.SetGrace(changed.Lifecycle.Grace.Std(), changed.Lifecycle.DrainDelay.Std())
	return nil
}
