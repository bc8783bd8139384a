package retry

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/pandakit/panda/internal/loadbalance"
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
// It also makes idempotent calls anew that package loadbalance has taken back from an instance that answers nothing any
// more. That needs no budget: it happens only while another instance answers, to what is in flight on the one that
// does not, and to no call more often than three times.
//
// Use one per client connection, as the innermost interceptor. It costs idempotent calls what a [loadbalance.Attempt]
// does, and others the look-up of their method.
func NewInterceptor(files *protoregistry.Files) grpc.UnaryClientInterceptor {
	budget := &bucket{tokens: extraBurst}
	repeatable := make(map[string]bool)
	for _, m := range idempotent(files) {
		repeatable["/"+m.Service+"/"+m.Method] = true
	}
	return func(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if !repeatable[method] {
			return invoke(ctx, method, request, reply, cc, opts...)
		}
		repeated := false
		for moves := 0; ; {
			// The last attempt is not to be taken back.
			moved, err := attempt(ctx, moves < maxAttempts-1, func(ctx context.Context) error {
				return invoke(ctx, method, request, reply, cc, opts...)
			})
			switch {
			case err == nil || ctx.Err() != nil:
				return err
			case moved:
				moves++
			case !repeated && status.Code(err) == codes.Unavailable && budget.take(time.Now()):
				repeated = true
			default:
				return err
			}
		}
	}
}

// attempt makes a call once, and reports whether it was taken back from an instance that answers nothing.
func attempt(ctx context.Context, movable bool, invoke func(context.Context) error) (moved bool, err error) {
	if !movable {
		return false, invoke(ctx)
	}
	a := loadbalance.NewAttempt(ctx)
	defer a.End()
	err = invoke(a)
	return a.Moved(), err
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
