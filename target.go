package panda

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/nearname"
)

// nearTimeout bounds the look-up of similar names for an error text.
const nearTimeout = 2 * time.Second

// seen is what a client's own connections know of a service.
type seen interface {
	// Ready reports whether an instance can be called now.
	Ready() bool
	// Refusal returns why an instance that the registry calls passing cannot be called, or "".
	Refusal(i discovery.Instance) string
}

// target is one service as a client sees it: what the registry says of it, beside what was seen.
type target struct {
	service  string
	registry discovery.Registry
	seen     seen
	created  time.Time

	// invalid is done when the registry will never look the name up; its cause says why.
	invalid    context.Context //nolint:containedctx // a signal that is waited on beside others
	invalidate context.CancelCauseFunc

	latest   atomic.Pointer[discovery.Snapshot]
	near     atomic.Pointer[[]string] // set while the registry knows no such service
	watching sync.WaitGroup           // the watch, and the look-up of near names
}

func newTarget(service string, config *clientConfig, own seen) (*target, error) {
	if service == "" {
		return nil, errors.New("the name is empty")
	}
	registry, err := config.openRegistry()
	if err != nil {
		return nil, err
	}
	t := &target{service: service, registry: registry, seen: own, created: time.Now()}
	t.invalid, t.invalidate = context.WithCancelCause(context.Background())
	return t, nil
}

// watch follows the service until ctx is done, and publishes the usable instances whenever they differ
// from those published last. The full set comes first; nothing is published before the registry has answered.
func (t *target) watch(ctx context.Context, publish func([]discovery.Instance)) {
	var published []discovery.Instance
	first := true
	err := t.registry.Watch(ctx, t.service, func(s discovery.Snapshot) {
		t.latest.Store(&s)
		t.findNearNames(ctx, &s)
		if s.Err != nil && len(s.Instances) == 0 {
			return // nothing is known yet; calls wait
		}
		usable := s.Usable()
		if !first && slices.EqualFunc(usable, published, sameToCallers) {
			return
		}
		first, published = false, usable
		publish(usable)
	})
	if ctx.Err() == nil {
		t.invalidate(err)
	}
}

// waiting bounds ctx by the timeout unless it has a deadline of its own, and ends it when waiting is in vain.
func (t *target) waiting(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	var cancel context.CancelFunc
	if _, ok := ctx.Deadline(); ok {
		ctx, cancel = context.WithCancel(ctx)
	} else {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	stop := context.AfterFunc(t.invalid, cancel)
	return ctx, func() { stop(); cancel() }
}

// sameToCallers reports whether a and b are reached and weighed alike; a new check output is no news.
func sameToCallers(a, b discovery.Instance) bool {
	return a.ID == b.ID && a.Address == b.Address && a.Port == b.Port && a.Weight == b.Weight && a.Distance == b.Distance
}

// findNearNames looks for similar names when the registry knows no such service, beside the watch.
func (t *target) findNearNames(ctx context.Context, s *discovery.Snapshot) {
	t.near.Store(nil)
	if len(s.Instances) > 0 || s.Err != nil {
		return
	}
	t.watching.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, nearTimeout)
		defer cancel()
		if names, err := t.registry.Services(ctx); err == nil {
			near := nearname.Of(t.service, names)
			t.near.Store(&near)
		}
	})
}

// explain returns the typed error that tells why no instance can be called now, or nil if one can.
func (t *target) explain() error {
	snapshot := t.latest.Load()
	if snapshot == nil {
		return &discovery.UnreachableError{
			Service: t.service, Registry: t.registry.String(), Since: t.created, Err: errors.New("it has not answered yet"),
		}
	}
	err := discovery.Explain(*snapshot, t.refusal)
	if missing, ok := errors.AsType[*discovery.NotFoundError](err); ok {
		if near := t.near.Load(); near != nil {
			missing.Near = *near
		}
	}
	return err
}

// refusal is what was seen of an instance. One that has not answered yet is no usable one.
func (t *target) refusal(i discovery.Instance) string {
	if why := t.seen.Refusal(i); why != "" || t.seen.Ready() {
		return why
	}
	return "not connected yet"
}

// unavailable is the error of a call that has waited in vain.
func (t *target) unavailable(ctx context.Context) error {
	if t.invalid.Err() != nil {
		return &callError{code: codes.InvalidArgument, cause: context.Cause(t.invalid)} //nolint:contextcheck // the target's
	}
	cause := t.explain()
	if cause == nil { // an instance came up just then
		cause = fmt.Errorf("call service %q: no instance answered in time", t.service)
	}
	if err := ctx.Err(); err != nil {
		return &callError{code: status.FromContextError(err).Code(), cause: cause, beside: err}
	}
	return &callError{code: codes.Unavailable, cause: cause}
}

// clarify adds to the error of a call what is known of the service, where that is the reason.
func (t *target) clarify(err error) error {
	code := status.Code(err)
	if code != codes.Unavailable && code != codes.DeadlineExceeded {
		return err
	}
	cause := t.explain()
	if cause == nil {
		return err
	}
	return &callError{code: code, cause: cause, beside: err}
}

// callError is an error of discovery that gRPC callers read as a status.
type callError struct {
	code   codes.Code
	cause  error // in discovery's terms
	beside error // what the caller's context or gRPC said; may be nil
}

func (e *callError) Error() string { return e.code.String() + ": " + e.cause.Error() }

// Unwrap gives errors.As the *discovery.UnreachableError, *discovery.NotFoundError or
// *discovery.UnusableError, and errors.Is the context's error.
func (e *callError) Unwrap() []error {
	if e.beside == nil {
		return []error{e.cause}
	}
	return []error{e.cause, e.beside}
}

// GRPCStatus makes status.Code and status.FromError work.
func (e *callError) GRPCStatus() *status.Status { return status.New(e.code, e.cause.Error()) }
