package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"
)

// startRabbitMQ gives two brokers, a queue of either durable kind, of one server.
func (b *bench) startRabbitMQ() ([]*broker, error) {
	dir, err := b.folder("rabbitmq")
	if err != nil {
		return nil, err
	}
	credential, err := unprivileged(dir, "rabbitmq")
	if err != nil {
		return nil, err
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	for name, content := range map[string]string{
		"rabbitmq.conf":   fmt.Sprintf("listeners.tcp.default = 127.0.0.1:%d\nlog.console = true\nlog.console.level = warning\n", ports[0]),
		"enabled_plugins": "[].\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	env := append(os.Environ(), "HOME="+dir, "RABBITMQ_NODENAME=bench@localhost", "RABBITMQ_MNESIA_BASE="+filepath.Join(dir, "mnesia"),
		"RABBITMQ_LOG_BASE="+filepath.Join(dir, "log"), "RABBITMQ_LOGS=-", "RABBITMQ_PID_FILE="+filepath.Join(dir, "pid"),
		"RABBITMQ_CONFIG_FILE="+filepath.Join(dir, "rabbitmq"), "RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(dir, "enabled_plugins"),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", ports[1]), fmt.Sprintf("ERL_EPMD_PORT=%d", ports[2]), "ERL_EPMD_ADDRESS=127.0.0.1",
		// Schedulers that wait do not spin: the cores are shared.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none")
	run := func(name string, ready int, argv ...string) (*process, error) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env, cmd.Dir, cmd.SysProcAttr = env, dir, &syscall.SysProcAttr{Credential: credential}
		return b.start(name, cmd, func() bool { return listens(ready) })
	}
	// Erlang's port mapper would be started by the server, and outlive it.
	mapper, err := run("epmd", ports[2], "epmd")
	if err != nil {
		return nil, err
	}
	p, err := run("rabbitmq", ports[0], "/usr/lib/rabbitmq/bin/rabbitmq-server")
	if err != nil {
		mapper.kill()
		return nil, err
	}
	url := fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", ports[0])
	go func() {
		<-p.ended
		mapper.kill()
	}()
	return []*broker{
		{name: "RabbitMQ, durable classic queue", process: p, connect: publisher(url, "classic")},
		{name: "RabbitMQ, quorum queue of one", process: p, connect: publisher(url, "quorum")},
	}, nil
}

// publisher connects clients that publish persistent messages, and wait for the confirmation of each.
func publisher(url, kind string) func() (func() error, func(), error) {
	return func() (func() error, func(), error) {
		conn, err := amqp.Dial(url)
		if err != nil {
			return nil, nil, err
		}
		channel, err := conn.Channel()
		if err == nil {
			err = channel.Confirm(false)
		}
		if err == nil {
			_, err = channel.QueueDeclare(kind, true, false, false, false, amqp.Table{amqp.QueueTypeArg: kind})
		}
		if err != nil {
			return nil, nil, errors.Join(err, conn.Close())
		}
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: payload()}
		send := func() error {
			confirmation, err := channel.PublishWithDeferredConfirmWithContext(context.Background(), "", kind, true, false, message)
			if err != nil {
				return err
			}
			if !confirmation.Wait() {
				return errors.New("not confirmed")
			}
			return nil
		}
		return send, func() { _ = conn.Close() }, nil
	}
}

// unprivileged gives a directory to a user that a package has made, and that user; nil where this is not run by root.
func unprivileged(dir, name string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}
