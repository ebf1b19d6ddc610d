package raft

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A cluster is one table in the life of an instance. There is another one only where nothing is left of those before.
type cluster struct {
	ID string `json:"id"`
	// Generation grows from one to the next, and is 0 of none.
	Generation uint64 `json:"generation"`
}

// An identity is what a folder makes of a process. It is lost with the folder, and never taken on by another one: a server that has
// forgotten what it voted for must not vote again.
type identity struct {
	// ID is the slot, a dash, and chance.
	ID   string `json:"id"`
	Slot int    `json:"slot"`
	// Cluster that it belongs to.
	Cluster cluster `json:"cluster"`
}

// slotOf a server by its ID; -1 if it is none of ours.
func slotOf(id string) int {
	text, _, _ := strings.Cut(id, "-")
	slot, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return slot
}

// A folder is what a server knows when it starts again.
type folder string

const (
	identityFile = "server.json"
	logPrefix    = "log-"
	logFile      = "log.db"
)

// open gives the identity that the folder holds, or a new one.
func (f folder) open(slot int) (is identity, err error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return is, fmt.Errorf("make the data folder: %w", err)
	}
	file := filepath.Join(string(f), identityFile)
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return f.renew(slot)
	}
	if err != nil {
		return is, fmt.Errorf("read who this server is: %w", err)
	}
	if err := json.Unmarshal(raw, &is); err != nil || is.ID == "" {
		return is, fmt.Errorf("%s is not an elector's (%w): if the folder holds nothing of use, empty it, and the server is replaced by a new one", file, err)
	}
	if is.Slot != slot {
		return is, fmt.Errorf("%s is of slot %d, and this is slot %d: each slot needs a folder of its own", file, is.Slot, slot)
	}
	return is, f.sweep(is.Cluster)
}

// renew makes a new server, which knows nothing.
func (f folder) renew(slot int) (identity, error) {
	is := identity{ID: fmt.Sprintf("%d-%s", slot, rand.Text()[:16]), Slot: slot}
	return is, f.save(is)
}

// save the identity, so that it survives a loss of power from here on.
func (f folder) save(is identity) error {
	raw, err := json.Marshal(is)
	if err != nil { // plain data
		panic(err)
	}
	if err := f.replace(identityFile, raw); err != nil {
		return fmt.Errorf("write who this server is: %w", err)
	}
	return nil
}

func (f folder) replace(name string, raw []byte) error {
	next, err := os.CreateTemp(string(f), name+".")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) // it is not there any more where all went well
	_, err = next.Write(raw)
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), filepath.Join(string(f), name)); err != nil {
		return err
	}
	dir, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// log is where a cluster's log is.
func (f folder) log(c cluster) string { return filepath.Join(string(f), logPrefix+c.ID) }

// hasLog tells whether there is a cluster's log.
func (f folder) hasLog(c cluster) (bool, error) {
	_, err := os.Stat(filepath.Join(f.log(c), logFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// sweep what is of no cluster but one.
func (f folder) sweep(keep cluster) error {
	all, err := filepath.Glob(filepath.Join(string(f), logPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range all {
		if keep.ID == "" || path != f.log(keep) {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove a log that is of no use any more: %w", err)
			}
		}
	}
	return nil
}
