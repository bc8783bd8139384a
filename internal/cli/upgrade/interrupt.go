package upgrade

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// sameInterrupt is how long after the first interrupt another one is taken for the same, which a shell or a wrapper has
// passed on.
const sameInterrupt = 250 * time.Millisecond

// secondInterrupt returns a channel that the second interrupt closes; the first one ends the command's context. The caller
// releases it.
func secondInterrupt() (kill <-chan struct{}, release func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	second, done := make(chan struct{}), make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		var first time.Time
		for {
			select {
			case <-done:
				return
			case <-signals:
			}
			if first.IsZero() {
				first = time.Now()
			} else if time.Since(first) > sameInterrupt {
				close(second)
				return
			}
		}
	})
	return second, func() {
		signal.Stop(signals)
		close(done)
		listening.Wait()
	}
}

// afterClosed calls f when the channel is closed, until the function that it returns is called.
func afterClosed(closed <-chan struct{}, f context.CancelFunc) (stop func()) {
	done := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-closed:
			f()
		case <-done:
		}
	})
	return func() { close(done); waiting.Wait() }
}
