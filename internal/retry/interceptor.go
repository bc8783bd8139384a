package retry

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// What the interceptor may add to the retries of gRPC: a crash takes a few calls with it in the described way, so the
// burst is ample, and an outage meets no more than a trickle.
const (
	extraBurst     = 64
	extraPerSecond = 10
)

// NewInterceptor returns a client interceptor that closes a gap in gRPC's retries: once the headers of a reply have arrived
// gRPC never tries again, although a caller of a unary method sees nothing until the reply is complete. A connection
// that breaks between the two fails the call. The interceptor calls once more, where the method is idempotent by files,
// the error is UNAVAILABLE, and its own budget (64 at once, 10 per second) allows it.
//
// Use one per client connection, as the innermost interceptor. A call that works costs nothing.
func NewInterceptor(files *protoregistry.Files) grpc.UnaryClientInterceptor {
	budget := &bucket{tokens: extraBurst}
	return func(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoke(ctx, method, request, reply, cc, opts...)
		if err == nil || status.Code(err) != codes.Unavailable || ctx.Err() != nil {
			return err
		}
		if !Idempotent(files, method) || !budget.take(time.Now()) {
			return err
		}
		return invoke(ctx, method, request, reply, cc, opts...)
	}
}

// bucket holds up to extraBurst tokens and regains extraPerSecond.
type bucket struct {
	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.filled.IsZero() {
		b.tokens = min(b.tokens+now.Sub(b.filled).Seconds()*extraPerSecond, extraBurst)
	}
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
