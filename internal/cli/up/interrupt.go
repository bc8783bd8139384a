package up

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// sameInterrupt is how long after the first interrupt another one is taken for the same: a wrapper such as
// timeout(1) or a shell may pass one on that the terminal has sent to all. No one presses Ctrl-C so fast.
const sameInterrupt = 250 * time.Millisecond

// interruptions are what ends the command early.
type interruptions struct {
	context.Context               //nolint:containedctx // which the first interrupt or the end of the terminal ends
	kill            chan struct{} // closed by the second interrupt
	signals         chan os.Signal
	release         func()
}

// interrupt does what Ctrl-C does where the terminal sends it as a key.
func (i *interruptions) interrupt() {
	select {
	case i.signals <- os.Interrupt:
	default: // there are several that are not seen yet
	}
}

// interrupts listens for interrupts until the caller releases it.
//
// Until then SIGPIPE is taken and dropped. It comes for every descriptor, connections that a client of the
// agent has dropped among them, so it says nothing about the output: a write there returns an error of its
// own instead of ending the process before anything is drained.
func interrupts(parent context.Context) *interruptions {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	pipes := make(chan os.Signal, 1) // never read
	signal.Notify(pipes, syscall.SIGPIPE)
	hurry, done := make(chan struct{}), make(chan struct{})
	var listener sync.WaitGroup
	listener.Go(func() { listen(signals, done, cancel, hurry) })
	return &interruptions{ctx, hurry, signals, func() {
		signal.Stop(signals)
		signal.Stop(pipes)
		close(done)
		listener.Wait()
		cancel()
	}}
}

// listen closes hurry at the second interrupt. Losing the terminal is a wish to end, but not one to hurry.
func listen(signals <-chan os.Signal, done <-chan struct{}, cancel func(), hurry chan<- struct{}) {
	var first time.Time
	hurried := false
	for {
		select {
		case <-done:
			return
		case s := <-signals:
			cancel()
			switch {
			case s == syscall.SIGHUP || hurried:
			case first.IsZero():
				first = time.Now()
			case time.Since(first) > sameInterrupt:
				hurried = true
				close(hurry)
			}
		}
	}
}
