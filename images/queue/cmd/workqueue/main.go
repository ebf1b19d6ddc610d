// Workqueue is the command-line client of a work queue, for people and scripts.
//
//	workqueue [-url URL] [-token TOKEN | -token-file FILE] COMMAND ...
//
//	push [-stage S] [-prefix P] [-priority N] [-delay D] [-group G] FILE|FOLDER|- ...
//	                                    push files; those of a folder by their paths in it; - is standard input (-name N)
//	status [-json]                      how many items are where
//	list [-state S] [-json] STAGE       items of a stage
//	show STAGE NAME                     an item: its state, its error, what it was made from and what was made from it
//	tail                                follow the progress until nothing is left to do
//	fetch [-to FOLDER] [-all | NAME...] fetch outputs: into files of their names, or one to standard output
//	redrive STAGE -all | NAME...        let dead letters be tried again
//	purge STAGE -state S | NAME...      remove items
//
// The variables WORK_QUEUE_URL, WORK_QUEUE_TOKEN and WORK_QUEUE_TOKEN_FILE stand for the flags. Exit codes: 0 done, 1 failed
// (tail: there are dead letters), 2 wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{in: os.Stdin, out: os.Stdout, errors: os.Stderr, getenv: os.Getenv, terminal: isTerminal(os.Stderr)}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// A program is one run.
type program struct {
	in          io.Reader
	out, errors io.Writer
	getenv      func(string) string
	terminal    bool // errors is one: progress is drawn in place
	queue       *queue
}

// A command gets its arguments, without its name.
type command struct {
	usage string
	run   func(p *program, ctx context.Context, args []string) error
}

var commands = map[string]command{
	"push":    {"push [-stage S] [-prefix P] [-name N] [-priority N] [-delay D] [-group G] FILE|FOLDER|- ...", (*program).push},
	"status":  {"status [-json]", (*program).status},
	"list":    {"list [-state S] [-json] STAGE", (*program).list},
	"show":    {"show STAGE NAME", (*program).show},
	"tail":    {"tail", (*program).tail},
	"fetch":   {"fetch [-to FOLDER] [-all | NAME...]", (*program).fetch},
	"redrive": {"redrive STAGE -all | NAME...", (*program).redrive},
	"purge":   {"purge STAGE -state S | NAME...", (*program).purge},
}

var order = []string{"push", "status", "list", "show", "tail", "fetch", "redrive", "purge"}

// usageError is the user's: it is shown with how the command is used.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

// errQuiet ends with status 1, when what went wrong has been said.
var errQuiet = errors.New("")

func (p *program) run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("workqueue", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	url := flags.String("url", p.getenv("WORK_QUEUE_URL"), "")
	token := flags.String("token", p.getenv("WORK_QUEUE_TOKEN"), "")
	file := flags.String("token-file", p.getenv("WORK_QUEUE_TOKEN_FILE"), "")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			p.help(p.out)
			return 0
		}
		fmt.Fprintln(p.errors, "workqueue:", err)
		p.help(p.errors)
		return 2
	}
	name := flags.Arg(0)
	c, ok := commands[name]
	switch {
	case name == "" || name == "help":
		p.help(p.out)
		return 0
	case !ok:
		fmt.Fprintf(p.errors, "workqueue: there is no command %q\n", name)
		p.help(p.errors)
		return 2
	}
	var err error
	if p.queue, err = open(*url, *token, *file); err == nil {
		err = c.run(p, ctx, flags.Args()[1:])
	}
	var wrong usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(p.errors, "workqueue %s: %s\nusage: workqueue %s\n", name, wrong.message, c.usage)
		return 2
	case errors.Is(err, errQuiet):
		return 1
	case ctx.Err() != nil:
		fmt.Fprintln(p.errors, "workqueue: interrupted")
		return 1
	}
	fmt.Fprintf(p.errors, "workqueue %s: %v\n", name, err)
	return 1
}

func (p *program) help(to io.Writer) {
	fmt.Fprintln(to, "The command-line client of a work queue.\n\nusage: workqueue [-url URL] [-token TOKEN | -token-file FILE] COMMAND")
	for _, name := range order {
		fmt.Fprintln(to, "  ", commands[name].usage)
	}
	fmt.Fprintln(to, "\nWORK_QUEUE_URL, WORK_QUEUE_TOKEN and WORK_QUEUE_TOKEN_FILE stand for the flags.")
}

// parse the flags of a command, which may stand before and after its other arguments.
func parse(flags *flag.FlagSet, args []string) ([]string, error) {
	flags.SetOutput(io.Discard)
	var rest []string
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, usageError{"how it is used:"}
			}
			return nil, usageError{err.Error()}
		}
		args = flags.Args()
		if len(args) == 0 {
			return rest, nil
		}
		// What flag.Parse stopped at is an argument; after a lone -- all are.
		if strings.HasPrefix(args[0], "-") && args[0] != "-" {
			return append(rest, args...), nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
