package elector

import (
	"net"
	"sync"
	"testing"
	"time"
)

// A Link is a way of connections to an address, which can be cut and can hold back what goes there and what comes back.
type Link struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	cut   bool
	open  map[net.Conn]bool
	there gate
	back  gate
}

// gate is one direction.
type gate struct {
	held  chan struct{} // closed when it lets through again; nil if it does
	delay time.Duration
}

// NewLink to an address.
func NewLink(t testing.TB, to string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{to: to, listener: listener, open: map[net.Conn]bool{}}
	go l.accept()
	t.Cleanup(func() {
		listener.Close()
		l.Heal()
		l.Cut()
	})
	return l
}

// Address of this end.
func (l *Link) Address() string { return l.listener.Addr().String() }

// Cut all connections, and have no more until Heal.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	l.drop()
}

func (l *Link) drop() {
	for c := range l.open {
		c.Close()
	}
	clear(l.open)
}

// Hold what goes there, what comes back, or both. Heal lets it through: late, but all of it.
func (l *Link) Hold(there, back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for g, hold := range map[*gate]bool{&l.there: there, &l.back: back} {
		if hold && g.held == nil {
			g.held = make(chan struct{})
		}
	}
}

// Delay each piece both ways.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.there.delay, l.back.delay = d, d
}

// Lose what is held: its connections end.
func (l *Link) Lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
}

// Heal all.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
	for _, g := range []*gate{&l.there, &l.back} {
		if g.held != nil {
			close(g.held)
		}
		*g = gate{}
	}
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return // it is closed
		}
		go l.carry(near)
	}
}

func (l *Link) carry(near net.Conn) {
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		near.Close()
		return
	}
	l.mu.Lock()
	if l.cut {
		near.Close()
		far.Close()
	} else {
		l.open[near], l.open[far] = true, true
	}
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.copy(far, near, &l.there) })
	both.Go(func() { l.copy(near, far, &l.back) })
	both.Wait()
	near.Close()
	far.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, near)
	delete(l.open, far)
}

// copy until one side ends, which ends the other.
func (l *Link) copy(to, from net.Conn, through *gate) {
	defer to.Close()
	defer from.Close()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		l.pass(through)
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass a gate as soon as it lets through.
func (l *Link) pass(g *gate) {
	l.mu.Lock()
	held, delay := g.held, g.delay
	l.mu.Unlock()
	if held != nil {
		<-held
	}
	if delay > 0 {
		<-time.After(delay)
	}
}
