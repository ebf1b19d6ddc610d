package lifecycle

import (
	"os"
	"os/signal"
	"syscall"
)

// Signals ends the process in order on any of the signals that engines stop containers with (SIGTERM; SIGINT, which is what Nomad's exec driver sends; SIGQUIT, which images made after nginx's ask for), and at once on the second. It returns a function that stops listening.
func (p *Process) Signals() (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE) // whoever reads our output may go away; the work goes on
	done := make(chan struct{})
	go func() {
		seen := 0
		for {
			select {
			case <-done:
				return
			case received := <-signals:
				if received == syscall.SIGHUP { // to read the configuration again; whoever does so listens too, and while nobody does it must not be the end
					continue
				}
				seen++
				if seen == 1 {
					p.Terminate("signal " + received.String())
					continue
				}
				number, _ := received.(syscall.Signal)
				p.log.Error("second signal, ending at once", "signal", received.String())
				p.exit(ExitSignalled + int(number))
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
