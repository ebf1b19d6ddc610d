package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

// A server is the queue as its image has it, with the embedded store and one stage, "stage".
type server struct {
	*process
	dir     string // has the tokens: client, worker
	address string
}

const token = "bench"

func (b *bench) startServer(name string) (*server, error) {
	dir, err := b.folder(name)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, address: address(port)}
	for _, who := range []string{"client", "worker"} {
		if err := os.WriteFile(filepath.Join(dir, who), []byte(token+"-"+who+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	c := config.Config{
		Listen: s.address,
		Tokens: config.Tokens{ClientFile: filepath.Join(dir, "client"), WorkerFile: filepath.Join(dir, "worker")},
		Store:  config.Store{Embedded: &config.Embedded{Directory: filepath.Join(dir, "data")}},
		Stages: map[string]config.Stage{"stage": {From: []string{config.Source}, Visibility: config.Duration(5 * time.Minute)}},
	}
	c.Management.Address = "127.0.0.1:0"
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, err
	}
	s.process, err = b.start(name, exec.Command(b.queue, "-config", path), func() bool { return listens(port) })
	return s, err
}
