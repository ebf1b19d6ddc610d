package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// leaf answers every request with the same bytes.
type leaf struct {
	answer   []byte
	stallOf  float64 // of 1
	stallFor time.Duration
	delay    time.Duration // of all other answers, half as much to one and a half times

	requests, stalled, connections atomic.Int64
}

func (l *leaf) serve(listener net.Listener) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		l.connections.Add(1)
		go l.converse(c)
	}
}

// bufferBytes holds a request's head, and what of its body comes with it.
const bufferBytes = 16 << 10

// converse by one connection, until it ends or a head is too large.
func (l *leaf) converse(c net.Conn) {
	defer c.Close()
	buf := make([]byte, bufferBytes)
	n := 0
	for {
		size := requestLength(buf[:n])
		for size < 0 && n < len(buf) || size > n {
			if size > n && n == len(buf) { // of a large body only the length counts
				size -= n
				n = 0
			}
			m, err := c.Read(buf[n:])
			if err != nil {
				return
			}
			n += m
			if size < 0 {
				size = requestLength(buf[:n])
			}
		}
		if size < 0 {
			return
		}
		n = copy(buf, buf[size:n])
		l.requests.Add(1)
		if l.stallOf > 0 && rand.Float64() < l.stallOf {
			l.stalled.Add(1)
			<-time.After(l.stallFor)
		} else if l.delay > 0 {
			<-time.After(l.delay/2 + rand.N(l.delay))
		}
		if _, err := c.Write(l.answer); err != nil {
			return
		}
	}
}

// requestLength with its body, in bytes; negative while the head is not whole. Its clients send no chunks.
func requestLength(b []byte) int {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return -1
	}
	head := b[:end+2]
	const name = "\r\nContent-Length: "
	i := bytes.Index(head, []byte(name))
	if i < 0 {
		return end + 4
	}
	value, _, _ := bytes.Cut(head[i+len(name):], []byte("\r\n"))
	length, err := strconv.Atoi(string(value))
	if err != nil || length < 0 {
		return end + 4
	}
	return end + 4 + length
}
