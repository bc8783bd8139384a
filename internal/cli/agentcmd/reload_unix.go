//go:build unix

package agentcmd

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// onReload calls do for every SIGHUP until ctx is done or the returned function is called, which waits for the last.
func onReload(ctx context.Context, do func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	var watching sync.WaitGroup
	watching.Go(func() {
		defer signal.Stop(hangups)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				do()
			}
		}
	})
	return func() { cancel(); watching.Wait() }
}
