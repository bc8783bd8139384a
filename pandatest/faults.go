package pandatest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/internal/nearname"
)

// EveryMethod is, in place of a method, all methods but those of gRPC's own health and reflection services.
const EveryMethod = "*"

// Fault is what goes wrong with a call: [Delay], [Fail], [Drop] or [DropReply]. It is a value: Times and Share
// return another.
type Fault struct {
	kind   faultKind
	delay  time.Duration
	status *status.Status
	times  int // 0: without end
	share  float64
	seed   uint64
}

type faultKind int

const (
	faultDelay faultKind = iota
	faultFail
	faultDrop
	faultDropReply
)

// Delay keeps a call waiting before the handler sees it, or until the caller gives up.
func Delay(d time.Duration) Fault { return Fault{kind: faultDelay, delay: d, share: 1} }

// Fail answers a call with the status, which is not OK, in place of the handler.
func Fail(s *status.Status) Fault { return Fault{kind: faultFail, status: s, share: 1} }

// Drop cuts the connection that the call came on before the handler sees it, as if the service had crashed: all
// calls on this connection fail with UNAVAILABLE, and are sent again if their methods are idempotent.
func Drop() Fault { return Fault{kind: faultDrop, share: 1} }

// DropReply is Drop after the handler has returned: the work is done, and the caller cannot know.
func DropReply() Fault { return Fault{kind: faultDropReply, share: 1} }

// Times ends the fault after it has happened n times. The default, and what n below 1 means, is without end.
func (f Fault) Times(n int) Fault {
	f.times = max(n, 0)
	return f
}

// Share makes the fault happen in a share of the calls, from 0 to 1, picked by chance; the default is 1, every
// call. The same seed picks the same ones, in the order in which they arrive.
func (f Fault) Share(share float64, seed uint64) Fault {
	f.share, f.seed = share, seed
	return f
}

// Faults makes the gRPC calls of services go wrong, per method. HTTP and net/rpc are left alone. Its methods may be
// called from several goroutines at once, and while calls are made.
type Faults struct {
	tb testing.TB

	mu     sync.Mutex
	active map[string][]*activeFault // by full method, with its slash, or EveryMethod
	calls  map[string]int            // by full method
}

// activeFault is a fault that has been added. It is guarded by Faults.mu.
type activeFault struct {
	Fault
	chance   *rand.Rand
	happened int
}

// NewFaults returns an empty set of faults for the test. Give its ServiceOption to each service that they are for.
func NewFaults(tb testing.TB) *Faults {
	tb.Helper()
	return &Faults{tb: tb, active: make(map[string][]*activeFault), calls: make(map[string]int)}
}

// ServiceOption makes the service have the faults. It sets the server's transport credentials, so a service
// that has some of its own keeps none of them.
func (f *Faults) ServiceOption() panda.ServiceOption {
	return panda.WithServerOptions(
		grpc.Creds(cuttable{insecure.NewCredentials()}),
		grpc.ChainUnaryInterceptor(f.unary),
		grpc.ChainStreamInterceptor(f.stream),
	)
}

// Add adds faults to a method, which is written as generated code has it ("/hello.v1.HelloService/SayHello"; the first
// slash may be missing), or [EveryMethod]. A call meets the faults of its method, then those of every method, in the
// order in which they were added, until one ends it. A method that the test's generated code does not have
// fails the test at once.
func (f *Faults) Add(method string, faults ...Fault) {
	f.tb.Helper()
	method, err := fullMethod(method)
	if err != nil {
		f.tb.Fatalf("add a fault: %v", err)
	}
	for i := range faults {
		if err := faults[i].check(); err != nil {
			f.tb.Fatalf("add a fault to %s: %v", method, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range faults {
		chance := rand.New(rand.NewPCG(fault.seed, 0)) //nolint:gosec // chance that can be had again, not secrets
		f.active[method] = append(f.active[method], &activeFault{Fault: fault, chance: chance})
	}
}

// Clear ends all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.active)
}

// Calls returns how many calls of the method have reached a service, those that were sent again included.
func (f *Faults) Calls(method string) int {
	f.tb.Helper()
	method, err := fullMethod(method)
	if err != nil {
		f.tb.Fatalf("count calls: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if method != EveryMethod {
		return f.calls[method]
	}
	sum := 0
	for _, n := range f.calls {
		sum += n
	}
	return sum
}

func (f *Fault) check() error {
	switch {
	case f.delay < 0:
		return fmt.Errorf("a delay of %v is negative", f.delay)
	case f.kind == faultFail && f.status.Code() == codes.OK:
		return fmt.Errorf("status OK is no failure")
	case !(f.share >= 0 && f.share <= 1): // so that NaN is told, too
		return fmt.Errorf("a share of %v is not between 0 and 1", f.share)
	}
	return nil
}

// fullMethod returns the name as gRPC has it, and tells of a method that no generated code has.
func fullMethod(method string) (string, error) {
	if method == EveryMethod {
		return method, nil
	}
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		return "", fmt.Errorf("method %q: the test links no generated code of a service %q%s", method, service, near(service, serviceNames()))
	}
	methods := descriptor.Methods()
	if methods.ByName(protoreflect.Name(name)) == nil {
		names := make([]string, methods.Len())
		for i := range names {
			names[i] = string(methods.Get(i).Name())
		}
		return "", fmt.Errorf("method %q: %s has no method %q%s", method, service, name, near(name, names))
	}
	return "/" + service + "/" + name, nil
}

func serviceNames() []string {
	var names []string
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			names = append(names, string(file.Services().Get(i).FullName()))
		}
		return true
	})
	return names
}

func near(name string, known []string) string {
	if names := nearname.Of(name, known); len(names) > 0 {
		return "; near: " + strings.Join(names, ", ")
	}
	return ""
}

// due counts a call and returns the faults that it meets.
func (f *Faults) due(method string) []Fault {
	if strings.HasPrefix(method, "/grpc.health.") || strings.HasPrefix(method, "/grpc.reflection.") {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[method]++
	var due []Fault
	for _, name := range []string{method, EveryMethod} {
		for _, fault := range f.active[name] {
			if !fault.happens() {
				continue
			}
			due = append(due, fault.Fault)
			if fault.kind == faultFail || fault.kind == faultDrop {
				return due
			}
		}
	}
	return due
}

func (a *activeFault) happens() bool {
	if a.times > 0 && a.happened == a.times {
		return false
	}
	if a.share < 1 && a.chance.Float64() >= a.share {
		return false
	}
	a.happened++
	return true
}

// before does what happens before the handler, and reports whether the reply is to be dropped. An error ends the call.
func (f *Faults) before(ctx context.Context, method string) (dropReply bool, err error) {
	for _, fault := range f.due(method) {
		switch fault.kind {
		case faultDelay:
			if err := wait(ctx, fault.delay); err != nil {
				return false, err
			}
		case faultFail:
			return false, fault.status.Err()
		case faultDrop:
			return false, cut(ctx)
		case faultDropReply:
			dropReply = true
		}
	}
	return dropReply, nil
}

func (f *Faults) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	dropReply, err := f.before(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	reply, err := handle(ctx, request)
	if dropReply {
		return nil, cut(ctx)
	}
	return reply, err
}

func (f *Faults) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	dropReply, err := f.before(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	err = handle(server, stream)
	if dropReply {
		return cut(stream.Context())
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// cut closes the connection of a call. What it returns nobody gets to see.
func cut(ctx context.Context) error {
	if from, ok := peer.FromContext(ctx); ok {
		if info, ok := from.AuthInfo.(connection); ok {
			_ = info.conn.Close() // a connection that is broken already is as good
		}
	}
	return status.Error(codes.Unavailable, "the connection was cut by a fault of the test")
}

// cuttable are credentials that add nothing but a way from a call to its connection.
type cuttable struct {
	credentials.TransportCredentials
}

// ServerHandshake implements [credentials.TransportCredentials].
func (c cuttable) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(conn)
	if err != nil {
		return nil, nil, err
	}
	return conn, connection{info, conn}, nil
}

// Clone implements [credentials.TransportCredentials].
func (c cuttable) Clone() credentials.TransportCredentials {
	return cuttable{c.TransportCredentials.Clone()}
}

// connection is what is known of who is at the other end, and the connection itself.
type connection struct {
	credentials.AuthInfo
	conn net.Conn
}
