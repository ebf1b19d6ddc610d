package powerloss

import (
	"context"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// node is an inode as the kernel's requests reach it.
type node struct {
	fs.Inode
	tree  *tree
	inode *inode
}

// handle of an open file.
type handle struct {
	// synced: what is written is durable before the write returns (O_SYNC, O_DSYNC).
	synced bool
}

var (
	_ fs.NodeStatfser   = (*node)(nil)
	_ fs.NodeGetattrer  = (*node)(nil)
	_ fs.NodeSetattrer  = (*node)(nil)
	_ fs.NodeLookuper   = (*node)(nil)
	_ fs.NodeReaddirer  = (*node)(nil)
	_ fs.NodeCreater    = (*node)(nil)
	_ fs.NodeMkdirer    = (*node)(nil)
	_ fs.NodeLinker     = (*node)(nil)
	_ fs.NodeSymlinker  = (*node)(nil)
	_ fs.NodeReadlinker = (*node)(nil)
	_ fs.NodeUnlinker   = (*node)(nil)
	_ fs.NodeRmdirer    = (*node)(nil)
	_ fs.NodeRenamer    = (*node)(nil)
	_ fs.NodeOpener     = (*node)(nil)
	_ fs.NodeReader     = (*node)(nil)
	_ fs.NodeWriter     = (*node)(nil)
	_ fs.NodeFsyncer    = (*node)(nil)
	_ fs.NodeAllocater  = (*node)(nil)
	_ fs.NodeFlusher    = (*node)(nil)
)

// locked takes the tree for one request, or says that the power is off. If it succeeds, unlock.
func (n *node) locked() syscall.Errno {
	n.tree.mu.Lock()
	if n.tree.dead {
		n.tree.mu.Unlock()
		return syscall.EIO
	}
	return 0
}

func sortedNames(entries map[string]*inode) []string { return slices.Sorted(maps.Keys(entries)) }

func (n *inode) attributes(out *fuse.Attr) {
	out.Ino, out.Mode, out.Nlink, out.Blksize = n.number, n.mode, n.links, pageBytes
	out.Owner = fuse.Owner{Uid: n.uid, Gid: n.gid}
	out.SetTimes(&n.modified, &n.modified, &n.modified)
	switch {
	case n.content != nil:
		out.Size = uint64(n.content.live.size)
		out.Blocks = uint64(len(n.content.live.pages)) * pageBytes / 512
	case n.target != "":
		out.Size = uint64(len(n.target))
	}
}

func (n *node) child(ctx context.Context, i *inode, out *fuse.EntryOut) *fs.Inode {
	i.attributes(&out.Attr)
	return n.NewInode(ctx, &node{tree: n.tree, inode: i}, fs.StableAttr{Mode: i.mode & syscall.S_IFMT, Ino: i.number})
}

// Statfs tells of a terabyte, or of none.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	if errno := n.locked(); errno != 0 {
		return errno
	}
	defer n.tree.mu.Unlock()
	out.Bsize, out.Frsize, out.NameLen = pageBytes, pageBytes, 255
	out.Blocks, out.Files, out.Ffree = 1<<28, 1<<20, 1<<19
	if !n.tree.full {
		out.Bfree, out.Bavail = 1<<27, 1<<27
	}
	return 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if errno := n.locked(); errno != 0 {
		return errno
	}
	defer n.tree.mu.Unlock()
	n.inode.attributes(&out.Attr)
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := n.locked(); errno != 0 {
		return errno
	}
	defer n.tree.mu.Unlock()
	i := n.inode
	if mode, ok := in.GetMode(); ok {
		i.mode = i.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
	}
	if uid, ok := in.GetUID(); ok {
		i.uid = uid
	}
	if gid, ok := in.GetGID(); ok {
		i.gid = gid
	}
	if size, ok := in.GetSize(); ok {
		if i.content == nil {
			return syscall.EINVAL
		}
		if size > maxFileBytes {
			return syscall.EFBIG
		}
		i.content.truncate(int64(size))
		i.modified = time.Now()
	}
	if modified, ok := in.GetMTime(); ok {
		i.modified = modified
	}
	i.attributes(&out.Attr)
	return 0
}

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, 0, errno
	}
	defer n.tree.mu.Unlock()
	return &handle{synced: flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0}, fuse.FOPEN_KEEP_CACHE, 0
}

// Flush is not wanted: the kernel does not ask again. If it did, a process that serves the disk and has files open on it could
// not end, for at its end it waits for an answer of itself.
func (n *node) Flush(context.Context, fs.FileHandle) syscall.Errno { return syscall.ENOSYS }

func (n *node) Read(_ context.Context, _ fs.FileHandle, to []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, errno
	}
	defer n.tree.mu.Unlock()
	return fuse.ReadResultData(to[:n.inode.content.live.read(to, offset)]), 0
}

func (n *node) Write(_ context.Context, f fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return 0, errno
	}
	defer n.tree.mu.Unlock()
	c := n.inode.content
	if offset+int64(len(data)) > maxFileBytes {
		return 0, syscall.EFBIG
	}
	if n.tree.full && c.allocates(offset, int64(len(data))) {
		return 0, syscall.ENOSPC
	}
	c.write(data, offset)
	n.inode.modified = time.Now()
	n.tree.stats.Writes++
	n.tree.stats.Bytes += int64(len(data))
	if h, ok := f.(*handle); ok && h.synced {
		n.sync()
	}
	return uint32(len(data)), 0
}

// Fsync of a file or a directory.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if errno := n.locked(); errno != 0 {
		return errno
	}
	defer n.tree.mu.Unlock()
	n.sync()
	return 0
}

func (n *node) sync() {
	n.tree.stats.Syncs++
	if n.inode.isDir() {
		n.tree.syncDirectory(n.inode)
	} else if n.inode.content != nil {
		n.tree.stats.SyncedBytes += int64(n.inode.content.sync()) * pageBytes
	}
}

// Allocate makes room; of its modes only those that change nothing but the size are there.
func (n *node) Allocate(_ context.Context, _ fs.FileHandle, offset, size uint64, mode uint32) syscall.Errno {
	if errno := n.locked(); errno != 0 {
		return errno
	}
	defer n.tree.mu.Unlock()
	end := int64(offset + size)
	switch {
	case mode&^unix.FALLOC_FL_KEEP_SIZE != 0:
		return syscall.EOPNOTSUPP
	case end > maxFileBytes:
		return syscall.EFBIG
	case n.tree.full && n.inode.content.allocates(int64(offset), int64(size)):
		return syscall.ENOSPC
	}
	if c := n.inode.content; mode == 0 && end > c.live.size {
		c.live.size = end
	}
	return 0
}

func (n *node) Readlink(context.Context) ([]byte, syscall.Errno) {
	if errno := n.locked(); errno != 0 {
		return nil, errno
	}
	defer n.tree.mu.Unlock()
	return []byte(n.inode.target), 0
}
