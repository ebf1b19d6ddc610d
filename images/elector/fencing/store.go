package fencing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Memory is a Store for what is gone with the process as well.
type Memory struct {
	mu      sync.Mutex
	highest map[string]uint64
}

// Raise as Store says.
func (m *Memory) Raise(_ context.Context, resource string, token uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.highest == nil {
		m.highest = map[string]uint64{}
	}
	m.highest[resource] = max(m.highest[resource], token)
	return m.highest[resource], nil
}

// Folder is a Store of files, one for each resource, for one process at a time.
type Folder struct {
	path string

	mu       sync.Mutex
	doubtful map[string]bool // files of which it is not known whether they are on the disk
}

// kept is what a file says.
type kept struct {
	Resource string `json:"resource"`
	Token    uint64 `json:"token"`
}

// Open a folder, which is made if it is not there.
func Open(path string) (*Folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	// What was renamed just before the end of another process may not be on the disk yet.
	return &Folder{path: path, doubtful: map[string]bool{}}, flush(path)
}

// Raise as Store says. A file that cannot be read is an error, since nobody knows what is in it.
func (f *Folder) Raise(_ context.Context, resource string, token uint64) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := sha256.Sum256([]byte(resource)) // which may be anything, and long
	path := filepath.Join(f.path, hex.EncodeToString(name[:])+".json")
	var is kept
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return 0, err
	default:
		if err := json.Unmarshal(raw, &is); err != nil || is.Resource != resource {
			return 0, fmt.Errorf("%s does not have the token of %q", path, resource)
		}
	}
	if is.Token >= token && !f.doubtful[path] {
		return is.Token, nil
	}
	token = max(token, is.Token)
	raw, err = json.Marshal(kept{resource, token})
	if err != nil { // plain data
		panic(err)
	}
	f.doubtful[path] = true
	if err := replace(path, raw); err != nil {
		return 0, err
	}
	delete(f.doubtful, path)
	return token, nil
}

// replace a file so that it has either what it had, or what it shall have, whenever the machine stops; and the latter when this has
// returned.
func replace(path string, raw []byte) (err error) {
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(raw)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return flush(filepath.Dir(path))
}

// flush the names in a folder to the disk.
func flush(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
