package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/fleet"
	"github.com/pandakit/panda/bench/internal/hello"
	"github.com/pandakit/panda/bench/internal/hellopb"
)

// How often a starting server is tried, and for how long.
const (
	probeEvery = 200 * time.Microsecond
	probeFor   = 20 * time.Second
)

// probe returns once the process has answered one call at the address, or an error that says why it never will.
func probe(ctx context.Context, process *fleet.Process, address string) error {
	ctx, cancel := whileRunning(ctx, process)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(dialUntilOpen),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return fmt.Errorf("probe %s: %w", address, err)
	}
	_, err = hello.Call(hellopb.NewHelloClient(conn))(ctx, child.Greeting)
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("probe %s: %w", address, cmp.Or(context.Cause(ctx), err))
	}
	return nil
}

// whileRunning returns a context that ends with the process, or when it has had time enough to start. Its
// cause tells which. The function returned releases it.
func whileRunning(ctx context.Context, process *fleet.Process) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, probeFor)
	ctx, end := context.WithCancelCause(ctx)
	go func() { // ends with the context
		select {
		case <-process.Ended():
			end(process.Err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { end(nil); cancel() }
}

// dialUntilOpen tries again without backoff: what is measured is when the server is there.
func dialUntilOpen(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	retry := time.NewTicker(probeEvery)
	defer retry.Stop()
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn, nil
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}
