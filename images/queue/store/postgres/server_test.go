package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// database is the URL of a real server that this package's tests share.
var database string

// nobody runs the server: it refuses to be root.
const nobody = 65534

func TestMain(m *testing.M) {
	code, err := withServer(func(url string) int {
		database = url
		return m.Run()
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withServer runs Debian's PostgreSQL in a directory of its own while f runs.
func withServer(f func(url string) int) (code int, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return 1, fmt.Errorf("no /usr/lib/postgresql/*/bin: apt-get install postgresql: %w", err)
	}
	bin := found[len(found)-1]
	directory, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(directory)
	if os.Geteuid() == 0 {
		if err := os.Chown(directory, nobody, nobody); err != nil {
			return 1, err
		}
	}
	run := func(name string, args ...string) error {
		command := exec.Command(filepath.Join(bin, name), args...)
		command.Dir = directory
		if os.Geteuid() == 0 {
			command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		// To a file, not a pipe: the server keeps it open when pg_ctl has ended.
		log, err := os.CreateTemp(directory, name)
		if err != nil {
			return err
		}
		defer log.Close()
		command.Stdout, command.Stderr = log, log
		if err := command.Run(); err != nil {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%s: %w: %s", name, err, text)
		}
		return nil
	}
	data := filepath.Join(directory, "data")
	if err := run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N"); err != nil {
		return 1, err
	}
	if err := run("pg_ctl", "-D", data, "-w", "-o", "-c listen_addresses= -k "+directory, "start"); err != nil {
		return 1, err
	}
	defer func() { err = run("pg_ctl", "-D", data, "-m", "immediate", "stop") }()
	return f("postgres://postgres@/postgres?host=" + directory), nil
}
