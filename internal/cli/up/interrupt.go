package up

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// interrupts returns a context that the first interrupt ends, or the end of the terminal or of whoever
// reads the output, and a channel that the second interrupt closes. The caller releases them.
func interrupts(parent context.Context) (ctx context.Context, kill <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	hurry, done := make(chan struct{}), make(chan struct{})
	var listener sync.WaitGroup
	listener.Go(func() { listen(signals, done, cancel, hurry) })
	return ctx, hurry, func() {
		signal.Stop(signals)
		close(done)
		listener.Wait()
		cancel()
	}
}

// listen closes hurry at the second interrupt. Losing the terminal or the reader is a wish to end, but
// not one to hurry.
func listen(signals <-chan os.Signal, done <-chan struct{}, cancel func(), hurry chan<- struct{}) {
	asked := 0
	for {
		select {
		case <-done:
			return
		case s := <-signals:
			cancel()
			if s == syscall.SIGHUP || s == syscall.SIGPIPE {
				continue
			}
			if asked++; asked == 2 {
				close(hurry)
			}
		}
	}
}
