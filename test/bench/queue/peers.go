package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
)

// startRedis is Redis as a broker of Celery that must not lose what it has confirmed: each write waits for the disk.
func (b *bench) startRedis() ([]*broker, error) {
	dir, err := b.folder("redis")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no",
		"--appendonly", "yes", "--appendfsync", "always", "--save", "")
	p, err := b.start("redis", cmd, func() bool { return listens(port) })
	if err != nil {
		return nil, err
	}
	// What Celery's producer sends (kombu's message of protocol 2): the arguments and their envelope.
	body := base64.StdEncoding.EncodeToString(payload())
	message := `{"body": "` + body + `", "content-encoding": "utf-8", "content-type": "application/json", ` +
		`"headers": {"lang": "py", "task": "tasks.resize", "id": "7b1d6d0e-4f0b-4c1d-9a54-1f4b6d1d9a2f", "shadow": null, "eta": null, "expires": null, "group": null, "retries": 0, "timelimit": [null, null], "root_id": "7b1d6d0e-4f0b-4c1d-9a54-1f4b6d1d9a2f", "parent_id": null, "argsrepr": "()", "kwargsrepr": "{}", "origin": "gen1@bench"}, ` +
		`"properties": {"correlation_id": "7b1d6d0e-4f0b-4c1d-9a54-1f4b6d1d9a2f", "reply_to": "f1e0a7c2-5b1c-3d0e-8a88-0c3d5b9be001", "delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": "celery"}, "priority": 0, "body_encoding": "base64", "delivery_tag": "0c7a4e62-94a1-4bc1-b5fa-5f0b2b1c5d11"}}`
	request := fmt.Appendf(nil, "*3\r\n$5\r\nLPUSH\r\n$6\r\ncelery\r\n$%d\r\n%s\r\n", len(message), message)
	return []*broker{{name: "Redis, appendfsync always", process: p, connect: line(port, request, ":")}}, nil
}

// startBeanstalkd syncs each job to its write-ahead log.
func (b *bench) startBeanstalkd() ([]*broker, error) {
	dir, err := b.folder("beanstalkd")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("beanstalkd", "-l", "127.0.0.1", "-p", strconv.Itoa(port), "-b", dir, "-f", "0")
	p, err := b.start("beanstalkd", cmd, func() bool { return listens(port) })
	if err != nil {
		return nil, err
	}
	data := payload()
	request := fmt.Appendf(nil, "put 1024 0 60 %d\r\n%s\r\n", len(data), data)
	return []*broker{{name: "beanstalkd -f 0", process: p, connect: line(port, request, "INSERTED ")}}, nil
}

// line connects clients that send a request and read a line.
func line(port int, request []byte, want string) func() (func() error, func(), error) {
	return func() (func() error, func(), error) {
		conn, err := net.Dial("tcp", address(port))
		if err != nil {
			return nil, nil, err
		}
		in := bufio.NewReader(conn)
		send := func() error {
			if _, err := conn.Write(request); err != nil {
				return err
			}
			answer, err := in.ReadSlice('\n')
			if err == nil && !bytes.HasPrefix(answer, []byte(want)) {
				err = fmt.Errorf("not confirmed: %s", strings.TrimSpace(string(answer)))
			}
			return err
		}
		return send, func() { _ = conn.Close() }, nil
	}
}
