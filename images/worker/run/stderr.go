package run

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// maxLine is forwarded as one write; a longer line may be mixed with those of others.
const maxLine = 16 << 10

var buffers = sync.Pool{New: func() any { return new([maxLine]byte) }}

// stderr forwards what a command says, whole lines at a time and unchanged, and keeps the end of it.
type stderr struct {
	read  *os.File
	write int
	done  chan struct{}

	tail []byte
}

func openStderr(to io.Writer) (*stderr, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	if err := syscall.SetNonblock(ends[0], true); err != nil { // the command's own end stays as commands expect it
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	s := &stderr{read: os.NewFile(uintptr(ends[0]), "stderr"), write: ends[1], done: make(chan struct{})} //nolint:gosec // a descriptor
	go s.forward(to)
	return s, nil
}

// started closes the end that the command has.
func (s *stderr) started() { _ = syscall.Close(s.write) }

// finish reads what is there still and gives the end of all. Somebody who holds the pipe open is not waited for.
func (s *stderr) finish() string {
	_ = s.read.SetReadDeadline(time.Now().Add(time.Second))
	<-s.done
	_ = s.read.Close()
	return string(bytes.ToValidUTF8(s.tail, []byte("\uFFFD")))
}

func (s *stderr) forward(to io.Writer) {
	defer close(s.done)
	buffer, _ := buffers.Get().(*[maxLine]byte)
	defer buffers.Put(buffer)
	held := 0
	for {
		n, err := s.read.Read(buffer[held:])
		s.keep(buffer[held : held+n])
		held += n
		whole := bytes.LastIndexByte(buffer[:held], '\n') + 1
		if whole == 0 && (held == len(buffer) || err != nil) {
			whole = held
		}
		if whole > 0 {
			_, _ = to.Write(buffer[:whole]) // the log's reader may be gone; the work goes on
			held = copy(buffer[:], buffer[whole:held])
		}
		if err != nil {
			if held > 0 {
				_, _ = to.Write(append(buffer[:held:held], '\n'))
			}
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				s.keep([]byte("(standard error could not be read: " + err.Error() + ")"))
			}
			return
		}
	}
}

func (s *stderr) keep(data []byte) {
	s.tail = append(s.tail, data...)
	if over := len(s.tail) - api.ErrorTailBytes; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
}
