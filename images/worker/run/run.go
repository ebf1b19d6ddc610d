// Package run works on items by starting the developer's command, once for each.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/claims"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/folder"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/process"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/transfer"
)

// A Runner starts commands.
type Runner struct {
	Config *config.Config
	// Path of the program.
	Path   string
	Reaper *process.Reaper
	Queue  transfer.Queue
	Log    *slog.Logger
	// Stderr is where the commands' own goes.
	Stderr io.Writer
	// Broken is told when the command can no longer be started.
	Broken func(error)

	environment []string
	null        *os.File
	number      atomic.Int64
	folders     folder.Pool
	active      atomic.Int64

	mu      sync.Mutex
	running map[*process.Child]bool
}

// Open readies the runner: work_dir is writable, and empty of what an earlier process left there.
func (r *Runner) Open() error {
	r.environment = environment()
	r.running = map[*process.Child]bool{}
	if err := Clean(r.Config.WorkDir); err != nil {
		return err
	}
	var err error
	if r.null, err = os.Open(os.DevNull); err != nil {
		return fmt.Errorf("open what commands read: %w", err)
	}
	return nil
}

// Clean removes the folders of attempts that a killed worker left, and says whether work_dir can be used.
func Clean(directory string) error {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return fmt.Errorf("work_dir must be writable by user %d: %w", os.Getuid(), err)
	}
	left, _ := filepath.Glob(filepath.Join(directory, "item-*"))
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("work_dir must be empty of earlier items: %w", err)
		}
	}
	probe := filepath.Join(directory, "item-probe")
	if err := os.Mkdir(probe, 0o700); err != nil {
		return fmt.Errorf("work_dir must be writable by user %d: %w", os.Getuid(), err)
	}
	return os.Remove(probe) //nolint:wrapcheck // it names the path
}

// Signal forwards a signal to all commands that run.
func (r *Runner) Signal(signal syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for child := range r.running {
		child.Signal(signal)
	}
}

// Work is a claims.Worker.
func (r *Runner) Work(ctx context.Context, lease api.Lease) claims.Result {
	path := r.Config.WorkDir + "/item-" + strconv.FormatInt(r.number.Add(1), 10)
	f, err := r.folders.Make(path, lease.Name)
	if err == nil {
		defer func() {
			if err := r.folders.Done(f); err != nil {
				r.Log.Warn("a folder is left behind", "item", lease.Name, "error", err.Error())
			}
		}()
		deadline := time.Now().Add(r.Config.Timeout.Std())
		bounded, cancel := context.WithDeadline(ctx, deadline)
		err = transfer.Input(bounded, r.Queue, lease, f.Input(), r.Log)
		cancel()
		if err == nil {
			return r.attempt(ctx, lease, f, deadline)
		}
	}
	if ctx.Err() != nil {
		return claims.Result{Outcome: claims.Released, Failure: api.Failure{Reason: err.Error()}}
	}
	r.Log.Error("an attempt could not begin", "item", lease.Name, "attempt", lease.Attempt, "error", err.Error())
	return claims.Result{Outcome: claims.Retry, Failure: api.Failure{Reason: err.Error()}}
}

// attempt runs the command and takes its outputs.
func (r *Runner) attempt(ctx context.Context, lease api.Lease, f *folder.Folder, deadline time.Time) claims.Result {
	result := r.command(ctx, lease, f, deadline)
	if result.Outcome == claims.Done {
		files, err := f.Outputs(lease.Name)
		if err == nil {
			result.Outputs, err = transfer.Outputs(ctx, r.Queue, lease.Name, files, r.Log)
		}
		if err != nil {
			result.Outputs = nil
			result.Outcome, result.Failure.Reason = claims.Permanent, err.Error()
			if ctx.Err() != nil {
				result.Outcome = claims.Released
			}
		}
	}
	switch result.Outcome {
	case claims.Done:
		r.Log.Debug("item done", "item", lease.Name, "attempt", lease.Attempt, "outputs", len(result.Outputs))
	case claims.Released:
		r.Log.Info("item given back", "item", lease.Name, "attempt", lease.Attempt, "reason", result.Failure.Reason)
	default:
		r.Log.Warn("item failed", "item", lease.Name, "attempt", lease.Attempt, "outcome", result.Outcome, "reason", result.Failure.Reason)
	}
	return result
}

// command runs the command to its end.
func (r *Runner) command(ctx context.Context, lease api.Lease, f *folder.Folder, deadline time.Time) claims.Result {
	values := map[string]string{
		config.EnvItemFile: f.Input(), config.EnvOutputFile: f.OutputFile(), config.EnvOutputDir: f.OutputDir(),
		config.EnvItemName: lease.Name, config.EnvAttempt: strconv.Itoa(lease.Attempt), config.EnvStage: r.Config.Stage,
		config.EnvDeadline: deadline.UTC().Format(time.RFC3339),
	}
	env := slices.Grow(slices.Clone(r.environment), len(values))
	for name, value := range values {
		env = append(env, name+"="+value)
	}
	args := make([]string, len(r.Config.Command))
	for i, argument := range r.Config.Command {
		args[i] = expand(argument, values)
	}
	said, err := openStderr(r.Stderr)
	if err != nil {
		return r.notStarted(err)
	}
	r.active.Add(1)
	defer r.active.Add(-1)
	child, err := r.Reaper.Start(r.Path, args, env, [3]int{int(r.null.Fd()), 1, said.write}) //nolint:gosec // a descriptor
	said.started()
	if err != nil {
		said.finish()
		return r.notStarted(err)
	}
	r.note(child, true)
	why := r.wait(ctx, child, deadline)
	r.note(child, false)
	if killed := r.Reaper.Sweep(child, config.EnvOutputDir+"="+f.OutputDir(), r.active.Load() == 1); killed > 0 {
		r.Log.Debug("killed what the command left behind", "item", lease.Name, "processes", killed)
	}
	result := r.meaning(child.Status(), why)
	tail := said.finish()
	if result.Outcome != claims.Done {
		result.Failure.ErrorTail = tail
	}
	return result
}

func (r *Runner) note(child *process.Child, running bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if running {
		r.running[child] = true
	} else {
		delete(r.running, child)
	}
}

var errTimeout = errors.New("timeout")

// wait waits until the command has ended, and ends it if it must. It gives the reason in that case.
func (r *Runner) wait(ctx context.Context, child *process.Child, deadline time.Time) (why error) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-child.Done():
		return nil
	case <-timer.C:
		why = errTimeout
	case <-ctx.Done():
		why = context.Cause(ctx)
	}
	if !errors.Is(why, claims.ErrLeaseLost) { // nothing that it does still counts then
		End(child, r.Config.KillAfter.Std())
	}
	child.Signal(syscall.SIGKILL)
	<-child.Done()
	return why
}

// End asks a child to end, and waits for that long.
func End(child *process.Child, patience time.Duration) {
	child.Signal(syscall.SIGTERM)
	child.Signal(syscall.SIGCONT) // one that is stopped could not hear it
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-child.Done():
	case <-timer.C:
	}
}

// meaning says what the end of the command means for the item.
func (r *Runner) meaning(status syscall.WaitStatus, why error) claims.Result {
	failure := api.Failure{}
	switch {
	case errors.Is(why, errTimeout):
		failure.Reason = "timeout after " + r.Config.Timeout.String()
		return claims.Result{Outcome: claims.Retry, Failure: failure}
	case why != nil:
		failure.Reason = why.Error()
		return claims.Result{Outcome: claims.Released, Failure: failure}
	case status.Signaled():
		failure.Reason = fmt.Sprintf("killed by signal %d (%s)", status.Signal(), status.Signal())
		if status.Signal() == syscall.SIGKILL {
			failure.Reason += ": out of memory, most likely"
		}
		return claims.Result{Outcome: claims.Retry, Failure: failure}
	}
	code := status.ExitStatus()
	switch {
	case slices.Contains(r.Config.ExitCodes.Done, code):
		return claims.Result{Outcome: claims.Done}
	case slices.Contains(r.Config.ExitCodes.Retry, code):
		return claims.Result{Outcome: claims.Retry, Failure: api.Failure{Reason: fmt.Sprintf("exit code %d", code), ExitCode: &code}}
	}
	return claims.Result{Outcome: claims.Permanent, Failure: api.Failure{Reason: fmt.Sprintf("exit code %d", code), ExitCode: &code}}
}

// notStarted tells what is wrong with the item, with the machine at the moment, and with the image apart.
func (r *Runner) notStarted(err error) claims.Result {
	failure := api.Failure{Reason: err.Error()}
	switch {
	case errors.Is(err, syscall.E2BIG):
		return claims.Result{Outcome: claims.Permanent, Failure: failure}
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ETXTBSY):
		return claims.Result{Outcome: claims.Retry, Failure: failure}
	}
	r.Broken(fmt.Errorf("command: %w", err))
	return claims.Result{Outcome: claims.Released, Failure: failure}
}
