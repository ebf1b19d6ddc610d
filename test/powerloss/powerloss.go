// Package powerloss is a disk whose power can be cut, for tests: a file system in memory, mounted by FUSE, on which
// processes work as on any other, and of which a cut leaves only what a disk would be sure to have.
//
// What is written is seen at once. It is durable from fsync or fdatasync of the file on, or at once with O_SYNC and O_DSYNC.
// That a name was created, renamed or removed is durable from fsync of its directory on. Of everything else a cut keeps
// what chance chooses, by a seed: pages of 4 KiB of any file in any order, the new or the old size; of a directory's
// changes the first ones. Owners, modes and times are durable at once.
//
// A disk has no cache of its own that loses what was synced, and it does not flip bits. Locks are the kernel's.
package powerloss

import (
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Stats count what was asked of a disk since it was mounted.
type Stats struct {
	// Syncs of files and directories, and writes that were synced by themselves.
	Syncs int64
	// Writes and their Bytes; SyncedBytes are pages that became durable.
	Writes, Bytes, SyncedBytes int64
	Cuts                       int
}

// A Disk is mounted until the test ends.
type Disk struct {
	// Path is where it is mounted.
	Path string

	mu     sync.Mutex
	random *rand.Rand
	tree   *tree
	next   *tree // after a cut
}

// Mount an empty disk; the seed decides what cuts leave. It skips the test where FUSE is not to be had.
func Mount(t testing.TB, seed int64) *Disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("powerloss: mounting a file system needs root")
	}
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("powerloss: no FUSE: %v", err)
	}
	device.Close()
	if err := unmountStale(); err != nil {
		t.Fatal(err)
	}
	d := &Disk{
		Path: filepath.Join(t.TempDir(), "disk"), tree: newTree(),
		random: rand.New(rand.NewPCG(uint64(seed), 0)), //nolint:gosec // the same seed, the same cuts
	}
	if err := os.Mkdir(d.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.mount(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.off()
		if err := syscall.Unmount(d.Path, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", d.Path, err)
		}
	})
	return d
}

func (d *Disk) mount() error {
	// All changes come through this kernel, so that it may remember what it was told.
	forever := 24 * time.Hour
	_, err := fs.Mount(d.Path, &node{tree: d.tree, inode: d.tree.root}, &fs.Options{
		EntryTimeout: &forever, AttrTimeout: &forever, NegativeTimeout: &forever,
		RootStableAttr: &fs.StableAttr{Ino: d.tree.root.number, Mode: syscall.S_IFDIR},
		MountOptions: fuse.MountOptions{
			AllowOther: true, DirectMountStrict: true, DisableXAttrs: true, MaxWrite: 1 << 20,
			Logger: log.New(io.Discard, "", 0), // after a cut it tells that the connection has ended
			FsName: source(os.Getpid()), Name: fsName, Options: []string{"default_permissions"},
		},
	})
	if err != nil {
		return fmt.Errorf("mount %s: %w", d.Path, err)
	}
	return d.tree.unseen(func() error { return first(filepath.Join(d.Path, ".first")) })
}

// first opens and closes a file, so that the kernel learns that it need not ask for Flush.
func first(path string) error {
	return errors.Join(os.WriteFile(path, nil, 0o600), os.Remove(path))
}

// off lets all requests fail from now on.
func (d *Disk) off() {
	d.tree.mu.Lock()
	d.tree.dead = true
	d.tree.mu.Unlock()
}

// Cut the power: what is open, and the path, give EIO from now on. It cuts between two requests, whatever programs are doing.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next != nil {
		return
	}
	d.off()
	d.tree.stats.Cuts++
	d.next = d.tree.cut(d.random)
}

// Restart shows, at the same path, what was left. End the processes that had files open before: they keep the old disk.
func (d *Disk) Restart(t testing.TB) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next == nil {
		t.Fatal("powerloss: Restart without Cut")
	}
	if err := syscall.Unmount(d.Path, syscall.MNT_DETACH); err != nil {
		t.Fatalf("unmount %s: %v", d.Path, err)
	}
	d.tree, d.next = d.next, nil
	if err := d.mount(); err != nil {
		t.Fatal(err)
	}
}

// SetFull lets what needs room fail with ENOSPC, or no longer.
func (d *Disk) SetFull(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree.mu.Lock()
	defer d.tree.mu.Unlock()
	d.tree.full = full
}

// Stats so far.
func (d *Disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree.mu.Lock()
	defer d.tree.mu.Unlock()
	return d.tree.stats
}
