package powerloss

import (
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// inode is a file, a directory or a symbolic link. What the disk has of a directory is its durable entries; owner, mode and
// times are durable at once, since nothing here depends on them.
type inode struct {
	number           uint64
	mode             uint32 // with the type
	uid, gid         uint32
	links            uint32
	modified         time.Time
	target           string            // of a link
	content          *content          // of a file
	entries, durable map[string]*inode // of a directory
}

func (n *inode) isDir() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// change of directories, as one step: an entry goes, an entry comes, or (a rename) both.
type change struct {
	from     *inode
	fromName string
	to       *inode
	toName   string
	child    *inode
}

func (c *change) apply() {
	if c.from != nil {
		delete(c.from.durable, c.fromName)
	}
	if c.to != nil {
		c.to.durable[c.toName] = c.child
	}
}

// tree is the file system between two losses of power.
type tree struct {
	mu   sync.Mutex
	root *inode
	last uint64 // number of an inode
	// pending changes of directories that are not durable, in their order.
	pending []change
	dead    bool // the power is off
	full    bool
	stats   Stats
}

func newTree() *tree {
	t := &tree{}
	t.root = t.newInode(syscall.S_IFDIR|0o755, 0, 0)
	t.root.links = 2
	return t
}

func (t *tree) newInode(mode, uid, gid uint32) *inode {
	t.last++
	n := &inode{number: t.last, mode: mode, uid: uid, gid: gid, modified: time.Now()}
	switch mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		n.entries, n.durable = map[string]*inode{}, map[string]*inode{}
	case syscall.S_IFREG:
		n.content = newContent(image{})
	}
	return n
}

// unseen does something that leaves no trace. Nobody else may be at work.
func (t *tree) unseen(do func() error) error {
	stats, modified := t.stats, t.root.modified
	err := do()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats, t.root.modified, t.pending = stats, modified, nil
	return err
}

// note a change that programs see already.
func (t *tree) note(c change) {
	for _, d := range []*inode{c.from, c.to} {
		if d != nil {
			d.modified = time.Now()
		}
	}
	t.pending = append(t.pending, c)
}

// syncDirectory makes its changes durable, and those of other directories that they rest on.
func (t *tree) syncDirectory(d *inode) {
	with := map[*inode]bool{d: true}
	durable := make([]bool, len(t.pending))
	for i, c := range slices.Backward(t.pending) {
		if with[c.from] || with[c.to] {
			durable[i] = true
			for _, d := range []*inode{c.from, c.to} {
				if d != nil {
					with[d] = true
				}
			}
		}
	}
	var rest []change
	for i, c := range t.pending {
		if durable[i] {
			c.apply()
		} else {
			rest = append(rest, c)
		}
	}
	t.pending = rest
}

// cut gives the tree that the disk has after a loss of power. Of the changes of a directory that were not synced the first
// ones are kept, up to a point that chance chooses.
func (t *tree) cut(r *rand.Rand) *tree {
	stopped := map[*inode]bool{}
	keep := r.Float64()
	for _, c := range t.pending {
		if (c.from != nil && stopped[c.from]) || (c.to != nil && stopped[c.to]) || r.Float64() >= keep {
			stopped[c.from], stopped[c.to] = true, true
			continue
		}
		c.apply()
	}
	t.pending = nil
	next := &tree{stats: t.stats}
	next.root = next.adopt(t.root, map[*inode]*inode{}, r)
	return next
}

// adopt copies what the disk has of an inode and all below.
func (t *tree) adopt(old *inode, known map[*inode]*inode, r *rand.Rand) *inode {
	if n, ok := known[old]; ok {
		n.links++
		return n
	}
	t.last++
	n := &inode{number: t.last, mode: old.mode, uid: old.uid, gid: old.gid, links: 1, modified: old.modified, target: old.target}
	known[old] = n
	if old.content != nil {
		n.content = newContent(old.content.settle(r))
	}
	if old.isDir() {
		n.links = 2
		n.entries, n.durable = map[string]*inode{}, map[string]*inode{}
		for _, name := range sortedNames(old.durable) {
			child := t.adopt(old.durable[name], known, r)
			n.entries[name], n.durable[name] = child, child
		}
	}
	return n
}
