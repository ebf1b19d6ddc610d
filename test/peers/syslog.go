package peers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// SyslogServer is Debian's rsyslog.
type SyslogServer struct {
	*Process
	// Address is where it listens, 127.0.0.1:PORT.
	Address string

	file string
}

// SyslogTLS are the files with which a server speaks TLS, all in PEM; it asks clients for a certificate of the same authority.
type SyslogTLS struct{ CA, Certificate, Key string }

// A SyslogMessage is what the server understood of one message.
type SyslogMessage struct {
	Priority  string `json:"pri"`
	Timestamp string `json:"time"`
	Hostname  string `json:"host"`
	AppName   string `json:"app"`
	ProcID    string `json:"proc"`
	MsgID     string `json:"id"`
	Version   string `json:"version"`
	Text      string `json:"text"`
}

const rsyslogConfig = `
global(workDirectory="%[1]s" maxMessageSize="128k" parser.escapeControlCharactersOnReceive="off"%[4]s)
module(load="imtcp"%[5]s)
input(type="imtcp" address="127.0.0.1" port="%[2]d")
template(name="json" type="list" option.jsonf="on") {
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="proc" name="procid" format="jsonf")
  property(outname="id" name="msgid" format="jsonf")
  property(outname="version" name="protocol-version" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}
action(type="omfile" file="%[3]s" template="json" asyncWriting="off" flushOnTXEnd="on")
`

// Rsyslog starts a syslog server; secure may be nil. What is missing of Debian's packages is installed if that is possible.
func Rsyslog(t testing.TB, secure *SyslogTLS) *SyslogServer {
	t.Helper()
	binary := debian(t, "rsyslogd", "rsyslog", "rsyslog-gnutls")
	dir := t.TempDir()
	port := FreePort(t)
	s := &SyslogServer{Address: fmt.Sprintf("127.0.0.1:%d", port), file: filepath.Join(dir, "messages")}
	global, module := "", ""
	if secure != nil {
		global = fmt.Sprintf(` defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="%s" defaultNetstreamDriverCertFile="%s" defaultNetstreamDriverKeyFile="%s"`, secure.CA, secure.Certificate, secure.Key)
		module = ` streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid"`
	}
	config := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, rsyslogConfig, dir, port, s.file, global, module), 0o644); err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(dir, "pid")
	s.Process = start(t, "rsyslogd", func() *exec.Cmd {
		os.Remove(pid) // it will not start over what it left when it was killed
		return exec.Command(binary, "-n", "-f", config, "-i", pid)
	}, func() bool { return listens(s.Address) })
	return s
}

// Messages gives all that has arrived, in order.
func (s *SyslogServer) Messages(t testing.TB) []SyslogMessage {
	t.Helper()
	file, err := os.Open(s.file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var messages []SyslogMessage
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var message SyslogMessage
		if json.Unmarshal(lines.Bytes(), &message) != nil {
			break // it is being written
		}
		messages = append(messages, message)
	}
	return messages
}

// debian finds a program, and installs its packages if it is not there.
func debian(t testing.TB, program string, packages ...string) string {
	t.Helper()
	find := func() string {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
			if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
				return path
			}
		}
		return ""
	}
	if path := find(); path != "" {
		return path
	}
	if os.Geteuid() != 0 {
		t.Skipf("%s is not installed: as root, apt-get install %s", program, strings.Join(packages, " "))
	}
	// A fresh machine has no lists yet, and one with old lists may ask for what is no more.
	install := exec.Command("sh", "-c", `apt-get install -y --no-install-recommends "$@" || { apt-get update && apt-get install -y --no-install-recommends "$@"; }`, "sh")
	install.Args = append(install.Args, packages...)
	install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := install.CombinedOutput()
	if path := find(); err == nil && path != "" {
		return path
	}
	t.Fatalf("install %s: %v\n%s", strings.Join(packages, " "), err, out)
	return ""
}
