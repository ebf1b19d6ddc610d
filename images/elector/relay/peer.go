package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// What electors say to each other before they pass on what a client says:
//
//	to the leader    "elector-relay/1 ", the length of the service's name (one byte), the name
//	from the leader  '+' and the term it leads in (eight bytes, big-endian), or '-' if it does not
//
// Nothing follows the first before the second has come.
const (
	greeting = "elector-relay/1 "
	accepts  = '+'
	refuses  = '-'
)

const (
	dialWithin   = time.Second
	answerWithin = 3 * time.Second // a leader dials, too
	greetWithin  = 3 * time.Second
)

var (
	errRefused = errors.New("the elector that is told to lead says that it does not, or its application takes no connection")
	errOther   = errors.New("another one leads by now")
)

// toPeer connects to the application of the elector at an address, if it leads.
func toPeer(ctx context.Context, address, service string) (c *net.TCPConn, term uint64, err error) {
	if c, err = dial(ctx, address); err != nil {
		return nil, 0, err
	}
	_ = c.SetDeadline(time.Now().Add(answerWithin)) // what is wrong with it is seen below
	stop := hurry(ctx, c)
	term, err = greet(c, service)
	if !stop() {
		err = errors.Join(err, ctx.Err())
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		c.Close()
		return nil, 0, err
	}
	return c, term, nil
}

// hurry ends what a connection waits for when the context does. What it gives says whether that was stopped in time.
func hurry(ctx context.Context, c net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // it may be closed
}

func greet(c net.Conn, service string) (term uint64, err error) {
	if _, err := c.Write(append(append([]byte(greeting), byte(len(service))), service...)); err != nil {
		return 0, err
	}
	var answer [9]byte
	if _, err := io.ReadFull(c, answer[:1]); err != nil {
		return 0, err
	}
	switch answer[0] {
	case accepts:
	case refuses:
		return 0, errRefused
	default:
		return 0, fmt.Errorf("%s is no elector's relay", c.RemoteAddr())
	}
	_, err = io.ReadFull(c, answer[1:])
	return binary.BigEndian.Uint64(answer[1:]), err
}

// fromPeer serves another elector.
func (r *Relay) fromPeer(ctx context.Context, peer *net.TCPConn, made func()) {
	defer peer.Close()
	name, err := greeted(ctx, peer)
	s := r.services[name]
	if err != nil || s == nil {
		made()
		r.Log.Debug("a peer was not understood", "peer", peer.RemoteAddr().String(), "service", name)
		if err == nil {
			_, _ = peer.Write([]byte{refuses}) // it may have gone
		}
		return
	}
	p, term, err := r.own(ctx, s, peer)
	made()
	if err != nil {
		s.meters.peer(false)
		_, _ = peer.Write([]byte{refuses}) // it may have gone
		return
	}
	s.meters.peer(true)
	if _, err := peer.Write(binary.BigEndian.AppendUint64([]byte{accepts}, term)); err != nil {
		p.cut()
	}
	r.serve(s, p)
}

// greeted reads what a peer says first: the service that it wants.
func greeted(ctx context.Context, c net.Conn) (service string, err error) {
	if err := c.SetReadDeadline(time.Now().Add(greetWithin)); err != nil {
		return "", err
	}
	stop := hurry(ctx, c)
	defer func() {
		if !stop() {
			err = errors.Join(err, ctx.Err())
		}
		if err == nil {
			err = c.SetDeadline(time.Time{})
		}
	}()
	var head [len(greeting) + 1]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return "", err
	}
	if string(head[:len(greeting)]) != greeting {
		return "", errors.New("not a peer")
	}
	name := make([]byte, head[len(greeting)])
	if _, err := io.ReadFull(c, name); err != nil {
		return "", err
	}
	return string(name), nil
}

// own connects to the application beside this elector, if it leads: before, and when the connection is there.
func (r *Relay) own(ctx context.Context, s *service, from *net.TCPConn) (*pair, uint64, error) {
	if !s.bonds.status().Self {
		return nil, 0, errOther
	}
	to, err := dial(ctx, s.Target)
	if err != nil {
		return nil, 0, err
	}
	p := &pair{from, to}
	term, ok := s.bonds.addOwn(p)
	if !ok {
		to.Close()
		return nil, 0, errOther
	}
	return p, term, nil
}

func dial(ctx context.Context, address string) (*net.TCPConn, error) {
	c, err := (&net.Dialer{Timeout: dialWithin, KeepAliveConfig: keepAlive}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
