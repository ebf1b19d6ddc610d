// Command prog is the container of the tests on a real engine: it serves, keeps a journal of its starts and stops in a
// shared folder, and fails on demand.
//
//	prog serve ADDR       answer /, /env?name=, /file?path=, /write?path=&text=, /call?file=&path= (what the
//	                      address in a file answers), /scale?group=&count= (what Nomad's task API answers),
//	                      /exit?code=, /slow?for= (answers after that time)
//	prog once             end at once
//	prog fail CODE        say why on standard error and end
//	prog hog              take memory until killed
//	prog sleep            until told to end
//	prog install FILE     copy itself there
//	prog report           write a numbered line of progress to standard error ten times a second, and one to standard output
//
// JOURNAL names the file, NAME the writer; BEFORE delays the start and AFTER the end.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	syscall.Umask(0)
	if d, err := time.ParseDuration(os.Getenv("BEFORE")); err == nil {
		time.Sleep(d)
	}
	journal("start")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	args := append(os.Args[1:], "", "")
	switch args[0] {
	case "once":
		journal("end")
		return
	case "install":
		if err := install(args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "prog:", err)
			os.Exit(1)
		}
		journal("end")
		return
	case "report":
		go report()
	case "fail":
		fmt.Fprintln(os.Stderr, "prog: the database refuses the password")
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "hog":
		for keep := [][]byte{}; ; time.Sleep(5 * time.Millisecond) {
			block := make([]byte, 8<<20)
			for i := range block {
				block[i] = 1
			}
			keep = append(keep, block)
		}
	case "serve":
		go serve(args[1])
	}
	s := <-stop
	journal("stopping " + s.String())
	if d, err := time.ParseDuration(os.Getenv("AFTER")); err == nil {
		time.Sleep(d)
	}
	journal("end")
}

func install(file string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o755)
}

func report() {
	fmt.Println("to whom it may concern")
	for i := 1; ; i++ {
		fmt.Fprintf(os.Stderr, "progress %d\n", i)
		time.Sleep(100 * time.Millisecond)
	}
}

// call asks the first address of a file.
func call(w http.ResponseWriter, r *http.Request) {
	raw, err := os.ReadFile(r.FormValue("file"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	at, _, found := strings.Cut(string(raw), "\n")
	if !found {
		http.Error(w, "no address in there", http.StatusServiceUnavailable)
		return
	}
	resp, err := (&http.Client{Timeout: 2 * time.Second}).Get("http://" + at + r.FormValue("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// scale a group of its own job as an autoscaler does: by the socket and the token file that Nomad puts beside it.
func scale(w http.ResponseWriter, r *http.Request) {
	token, err := os.ReadFile("/secrets/nomad_token")
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	body := fmt.Sprintf(`{"Count":%s,"Target":{"Group":%q}}`, r.FormValue("count"), r.FormValue("group"))
	q, err := http.NewRequest(http.MethodPost, "http://nomad/v1/job/"+os.Getenv("NOMAD_JOB_ID")+"/scale", strings.NewReader(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	socket := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", "/secrets/api.sock")
	}}
	resp, err := (&http.Client{Transport: socket, Timeout: 5 * time.Second}).Do(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func serve(addr string) {
	http.HandleFunc("/scale", scale)
	http.HandleFunc("/call", call)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello from", os.Getenv("NAME")) })
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.FormValue("name"))) })
	http.HandleFunc("/args", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%q", os.Args) })
	http.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		raw, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(raw)
	})
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(r.FormValue("path"), []byte(r.FormValue("text")), 0o644); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		if d, err := time.ParseDuration(r.FormValue("for")); err == nil {
			time.Sleep(d)
		}
	})
	http.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	if err := http.ListenAndServe(addr, nil); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func journal(what string) {
	path := os.Getenv("JOURNAL")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		fmt.Fprintln(os.Stderr, "journal:", err)
		os.Exit(3)
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %s uid=%d\n", os.Getenv("NAME"), what, os.Getuid())
}
