package powerloss

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, errno
	}
	defer n.tree.mu.Unlock()
	i, ok := n.inode.entries[name]
	if !ok {
		return nil, syscall.ENOENT
	}
	return n.child(ctx, i, out), 0
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, errno
	}
	defer n.tree.mu.Unlock()
	var entries []fuse.DirEntry
	for _, name := range sortedNames(n.inode.entries) {
		i := n.inode.entries[name]
		entries = append(entries, fuse.DirEntry{Name: name, Mode: i.mode & syscall.S_IFMT, Ino: i.number})
	}
	return fs.NewListDirStream(entries), 0
}

// make an entry. The caller holds the tree.
func (n *node) make(ctx context.Context, name string, mode uint32) (*inode, syscall.Errno) {
	if n.tree.full {
		return nil, syscall.ENOSPC
	}
	if n.inode.entries[name] != nil {
		return nil, syscall.EEXIST
	}
	var uid, gid uint32
	if caller, ok := fuse.FromContext(ctx); ok {
		uid, gid = caller.Uid, caller.Gid
	}
	i := n.tree.newInode(mode, uid, gid)
	n.add(name, i)
	return i, 0
}

func (n *node) add(name string, i *inode) {
	i.links++
	if i.isDir() {
		i.links = 2
	}
	n.inode.entries[name] = i
	n.tree.note(change{to: n.inode, toName: name, child: i})
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, nil, 0, errno
	}
	defer n.tree.mu.Unlock()
	i, errno := n.make(ctx, name, syscall.S_IFREG|mode&0o7777)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return n.child(ctx, i, out), &handle{synced: flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0}, fuse.FOPEN_KEEP_CACHE, 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, errno
	}
	defer n.tree.mu.Unlock()
	i, errno := n.make(ctx, name, syscall.S_IFDIR|mode&0o7777)
	if errno != 0 {
		return nil, errno
	}
	return n.child(ctx, i, out), 0
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, errno
	}
	defer n.tree.mu.Unlock()
	i, errno := n.make(ctx, name, syscall.S_IFLNK|0o777)
	if errno != 0 {
		return nil, errno
	}
	i.target = target
	return n.child(ctx, i, out), 0
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, errno
	}
	defer n.tree.mu.Unlock()
	to, ok := target.(*node)
	switch {
	case !ok || to.tree != n.tree:
		return nil, syscall.EXDEV
	case n.tree.full:
		return nil, syscall.ENOSPC
	case n.inode.entries[name] != nil:
		return nil, syscall.EEXIST
	}
	n.add(name, to.inode)
	return n.child(ctx, to.inode, out), 0
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno { return n.remove(name, false) }

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno { return n.remove(name, true) }

func (n *node) remove(name string, directory bool) syscall.Errno {
	if errno := n.locked(); errno != 0 {
		return errno
	}
	defer n.tree.mu.Unlock()
	i := n.inode.entries[name]
	switch {
	case i == nil:
		return syscall.ENOENT
	case directory && !i.isDir():
		return syscall.ENOTDIR
	case !directory && i.isDir():
		return syscall.EISDIR
	case len(i.entries) > 0:
		return syscall.ENOTEMPTY
	}
	i.unlinked()
	delete(n.inode.entries, name)
	n.tree.note(change{from: n.inode, fromName: name})
	return 0
}

func (n *inode) unlinked() {
	if n.links--; n.isDir() {
		n.links = 0
	}
}

func (n *node) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if errno := n.locked(); errno != 0 {
		return errno
	}
	defer n.tree.mu.Unlock()
	to, ok := newParent.(*node)
	if !ok || to.tree != n.tree {
		return syscall.EXDEV
	}
	i, replaced := n.inode.entries[name], to.inode.entries[newName]
	switch {
	case i == nil:
		return syscall.ENOENT
	case flags&^unix.RENAME_NOREPLACE != 0:
		return syscall.EINVAL
	case replaced == i:
		return 0
	case replaced != nil && flags&unix.RENAME_NOREPLACE != 0:
		return syscall.EEXIST
	case replaced != nil && len(replaced.entries) > 0:
		return syscall.ENOTEMPTY
	}
	if replaced != nil {
		replaced.unlinked()
	}
	delete(n.inode.entries, name)
	to.inode.entries[newName] = i
	n.tree.note(change{from: n.inode, fromName: name, to: to.inode, toName: newName, child: i})
	return 0
}
