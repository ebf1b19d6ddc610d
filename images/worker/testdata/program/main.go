// Command program is what a developer's container might run: each argument is something that it does, in order.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	for _, argument := range os.Args[1:] {
		verb, value, _ := strings.Cut(argument, "=")
		if verb == "by-content" { // the item says what to do
			content, err := os.ReadFile(os.Getenv("WORK_ITEM_FILE"))
			check(err)
			for _, line := range strings.Fields(string(content)) {
				verb, value, _ := strings.Cut(line, "=")
				do(verb, value)
			}
			continue
		}
		do(verb, value)
	}
}

func do(verb, value string) {
	n, _ := strconv.Atoi(value)
	switch verb {
	case "exit":
		os.Exit(n)
	case "copy": // the input to the output, in capitals
		content, err := os.ReadFile(os.Getenv("WORK_ITEM_FILE"))
		check(err)
		check(os.WriteFile(os.Getenv("WORK_OUTPUT_FILE"), []byte(strings.ToUpper(string(content))), 0o600))
	case "many":
		for i := range n {
			path := filepath.Join(os.Getenv("WORK_OUTPUT_DIR"), "part", fmt.Sprintf("%04d.txt", i))
			check(os.MkdirAll(filepath.Dir(path), 0o700))
			check(os.WriteFile(path, []byte(strconv.Itoa(i)), 0o600))
		}
	case "huge":
		file, err := os.Create(os.Getenv("WORK_OUTPUT_FILE"))
		check(err)
		_, err = io.CopyN(file, repeat{}, int64(n)<<20)
		check(err)
		check(file.Close())
	case "link":
		check(os.Symlink("/etc/passwd", filepath.Join(os.Getenv("WORK_OUTPUT_DIR"), "link")))
	case "stderr":
		for i := 0; i < n<<20; i += 64 {
			fmt.Fprintf(os.Stderr, "%063d\n", i)
		}
		fmt.Fprintln(os.Stderr, "the last line")
	case "say":
		fmt.Fprintln(os.Stderr, value)
	case "out":
		fmt.Println(value)
	case "append": // an effect that can be counted
		file, err := os.OpenFile(value, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		check(err)
		fmt.Fprintln(file, os.Getenv("WORK_ITEM_NAME"), os.Getpid(), os.Getenv("WORK_ATTEMPT"))
		check(file.Close())
	case "environment":
		check(os.WriteFile(os.Getenv("WORK_OUTPUT_FILE"), []byte(strings.Join(append(os.Environ(), os.Args[1:]...), "\n")), 0o600))
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "sleep":
		d, err := time.ParseDuration(value)
		check(err)
		time.Sleep(d)
	case "die":
		check(syscall.Kill(os.Getpid(), syscall.Signal(n)))
		select {}
	case "until-signal":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.Signal(n))
		fmt.Fprintln(os.Stderr, "waiting for a signal")
		<-signals
	case "children": // grandchildren that hold standard error open, in this group
		for range n {
			child := exec.Command(os.Args[0], "deaf", "append="+os.Getenv("PROGRAM_LOG"), "sleep=1h")
			child.Stderr = os.Stderr
			check(child.Start())
		}
	case "escape", "escape-bare": // grandchildren in sessions of their own, which fork again; one of them has no environment
		for range n {
			child := exec.Command(os.Args[0], "children=2", "append="+os.Getenv("PROGRAM_LOG"), "sleep=1h")
			child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			child.Stderr = os.Stderr
			if verb == "escape-bare" {
				child.Env = []string{"PROGRAM_LOG=" + os.Getenv("PROGRAM_LOG")}
			}
			check(child.Start())
		}
		for lines := 0; lines < 3*n; time.Sleep(time.Millisecond) {
			content, _ := os.ReadFile(os.Getenv("PROGRAM_LOG"))
			lines = strings.Count(string(content), "\n")
		}
	case "elude": // a grandchild in a session of its own, which becomes another program all the time
		child := exec.Command(os.Args[0], "again")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		check(child.Start())
	case "again":
		check(syscall.Exec(os.Args[0], os.Args, os.Environ()))
	case "zombies": // children that end and are left to others
		for range n {
			check(exec.Command(os.Args[0], "spawn").Run())
		}
	case "spawn":
		check(exec.Command(os.Args[0], "sleep=50ms").Start())
	case "serve":
		serve(value)
	default:
		fmt.Fprintln(os.Stderr, "program: what is", verb)
		os.Exit(64)
	}
}

// serve answers by what the item says: STATUS BODY, or a deed.
func serve(port string) {
	http.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		verb, value, _ := strings.Cut(string(content), " ")
		attempt := r.Header.Get("Work-Attempt")
		switch verb {
		case "crash":
			if attempt == "1" {
				os.Exit(3)
			}
		case "hang":
			<-r.Context().Done()
			return
		case "cut":
			if attempt == "1" {
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, "only this")
				panic(http.ErrAbortHandler)
			}
		case "huge":
			n, _ := strconv.Atoi(value)
			_, _ = io.CopyN(w, repeat{}, int64(n)<<20)
			return
		}
		if status, err := strconv.Atoi(verb); err == nil {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			fmt.Fprint(w, value)
			return
		}
		fmt.Fprintf(w, "%s %s %s %v", r.Header.Get("Work-Item-Name"), attempt, value, len(content))
	})
	check(http.ListenAndServe("127.0.0.1:"+port, nil)) //nolint:gosec // a test's
}

type repeat struct{}

func (repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte('a' + i%26)
	}
	return len(p), nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "program:", err)
		os.Exit(70)
	}
}
