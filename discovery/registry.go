package discovery

import (
	"context"
	"time"
)

// Registry announces instances and tells which there are. All methods may be called from several
// goroutines at once; no call holds up another. A Registry starts no goroutine that outlives the call
// that needed it, so there is nothing to close.
type Registry interface {
	// Announce makes the instance known and keeps it known until ctx is done: it retries in the
	// background of nothing but this call, renews the instance's TTL, and registers it anew whenever
	// the registry has lost or changed it. When ctx is done it removes the instance, bounded by
	// a.LeaveTimeout, and returns nil, or the error that kept it from removing it.
	//
	// Only a value that the registry can never accept (an empty name, metadata over its limit) is
	// returned at once, as a *[InvalidError]; a registry that is away is waited for. What happens
	// meanwhile is told through a.Observe.
	Announce(ctx context.Context, a Announcement) error

	// Watch calls update with what the registry knows of the service until ctx is done, and then
	// returns ctx's error. The first call has the full set, as soon as the registry has answered, or
	// tells that it could not be reached; each later one replaces the one before it. A set equal to the
	// last is not told again.
	//
	// While the registry cannot be reached the last known instances stay in the snapshot, beside the
	// error; when it answers that there are none, the empty set is told. Calls of update do not
	// overlap; a slow one delays the watch and loses only states that are outdated already. update must
	// not change what it is given; it may keep it.
	//
	// A name that no service can have is an error at once, before any call of update.
	Watch(ctx context.Context, service string, update func(Snapshot)) error

	// Services returns the names of all services that have an instance, healthy or not, sorted.
	// It asks once; the error says which registry did not answer and why.
	Services(ctx context.Context) ([]string, error)

	// String names the registry as a person would look for it: "consul at 127.0.0.1:8500".
	String() string
}

// Announcement is an instance together with how it is to be kept known. The zero value of each field
// but Instance is usable.
type Announcement struct {
	// Instance is what to announce; Node, Datacenter, Distance and Checks are not used.
	Instance Instance

	// TTL is how long the registry waits for a sign of life before it calls the instance critical:
	// 15 s when zero, never under 1 s. It is renewed at a third of it, with jitter.
	TTL time.Duration
	// DeregisterAfter is how long the instance may stay critical before the registry forgets it:
	// 1 min when zero; Consul takes nothing shorter.
	DeregisterAfter time.Duration
	// OwnAddress says that the instance's address and port lead to this process and to no other. What else the registry
	// has there, from an earlier process that had the same address, is then a leftover, and may be removed at the first
	// registration. It must not be set where several instances share an address: behind NAT or a load balancer.
	OwnAddress bool
	// LeaveTimeout bounds the removal at the end: 5 s when zero.
	LeaveTimeout time.Duration

	// Health returns the status to report, and a line for people. It is called at each renewal, never
	// twice at once; nil means always passing.
	Health func() (Status, string)
	// HealthChanged, when not nil, makes the next renewal happen at once for each value received.
	HealthChanged <-chan struct{}

	// Observe, when not nil, is told what happens: calls do not overlap, and must not block.
	Observe func(Event)
}

// EventKind says what happened to an announcement.
type EventKind int

// What can happen to an announcement.
const (
	Registered EventKind = iota // the registry has taken the instance, for the first time or anew
	Lost                        // the registry answers, but has forgotten or changed the instance; it is being registered anew
	Failed                      // the registry could not be reached, or refused; it is being retried
	Renamed                     // another live instance has the ID; this one is registered under that of AddressID instead
)

// Event is one step in the life of an announcement.
type Event struct {
	Kind EventKind
	Err  error // for Failed and Renamed, and for Lost where there is a reason
}

// Snapshot is all that a registry knows of one service at one time.
type Snapshot struct {
	Service  string
	Registry string // Registry.String() of the one that was asked

	// Instances is the full set, in every status, sorted by Distance, Node and ID. While Err is set it
	// is the set last known, possibly none.
	Instances []Instance

	// Err says why the registry cannot be reached now, and Since when that began; nil and zero while it
	// answers.
	Err   error
	Since time.Time
}

// Usable returns the instances that calls may be sent to, at every distance, in the snapshot's order.
func (s *Snapshot) Usable() []Instance {
	usable := make([]Instance, 0, len(s.Instances))
	for i := range s.Instances {
		if s.Instances[i].Usable() {
			usable = append(usable, s.Instances[i])
		}
	}
	return usable
}

// Equal reports whether both tell the same, the times at which errors began aside.
func (s *Snapshot) Equal(other *Snapshot) bool {
	if s.Service != other.Service || s.Registry != other.Registry || !sameText(s.Err, other.Err) || len(s.Instances) != len(other.Instances) {
		return false
	}
	for i := range s.Instances {
		if !s.Instances[i].Equal(&other.Instances[i]) {
			return false
		}
	}
	return true
}

func sameText(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error()
}
