package registrar_test

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

var errFull = errors.New("no space left on device; nothing was changed")

// disk is a journal that takes nothing while it is full.
type disk struct {
	full    atomic.Bool
	refused chan struct{} // has a value when it was asked while it was full
}

func (d *disk) Append(uint64, []catalog.Change) error {
	if !d.full.Load() {
		return nil
	}
	select {
	case d.refused <- struct{}{}:
	default:
	}
	return errFull
}

func onDisk(t *testing.T) (*registrar.Registrar, *catalog.Catalog, *disk) {
	t.Helper()
	r, state := newRegistrar(t)
	d := &disk{refused: make(chan struct{}, 1)}
	state.SetJournal(d)
	return r, state, d
}

// TestFullDiskRefusesResults holds that who sets the status of a check learns that it was not kept.
func TestFullDiskRefusesResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state, disk := onDisk(t)
		must(t, r.Register(web(time.Hour, 0), false), r.Renew("service:web", consulwire.Passing, "up"))
		disk.full.Store(true)
		for range 2 { // the second is no less news than the first
			if err := r.Renew("service:web", consulwire.Critical, "dead"); !errors.Is(err, errFull) {
				t.Fatalf("got %v", err)
			}
		}
		disk.full.Store(false)
		if got := status(state, "service:web"); got != consulwire.Passing {
			t.Errorf("refused, and yet %s", got)
		}
		must(t, r.Renew("service:web", consulwire.Critical, "dead"))
		if got := status(state, "service:web"); got != consulwire.Critical {
			t.Errorf("got %s", got)
		}
	})
}

// TestFullDiskRefusesChanges tries on a full disk all that replaces or removes checks: each is refused, and the checks
// go on as they were.
func TestFullDiskRefusesChanges(t *testing.T) {
	for name, change := range map[string]func(*registrar.Registrar) error{
		"register": func(r *registrar.Registrar) error { return r.Register(web(time.Minute, 0), false) },
		"replace checks": func(r *registrar.Registrar) error {
			return r.Register(&consulwire.ServiceRegistration{Name: "web"}, true)
		},
		"deregister":       func(r *registrar.Registrar) error { return r.Deregister("web") },
		"deregister check": func(r *registrar.Registrar) error { return r.DeregisterCheck("service:web") },
		"register check": func(r *registrar.Registrar) error {
			return r.RegisterCheck(&consulwire.CheckRegistration{ID: "service:web", Name: "c", ServiceID: "web", TTL: consulwire.Duration(time.Minute)})
		},
		"load": func(r *registrar.Registrar) error {
			return r.Load([]*consulwire.ServiceRegistration{web(time.Minute, 0)}, nil)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, state, disk := onDisk(t)
			must(t, r.Register(web(10*time.Second, 0), false), r.Renew("service:web", consulwire.Passing, "up"))
			after(6 * time.Second)
			disk.full.Store(true)
			if err := change(r); !errors.Is(err, errFull) {
				t.Fatalf("%s: %v", name, err)
			}
			disk.full.Store(false)
			after(4 * time.Second) // ten in all: the TTL was not begun anew
			if got := status(state, "service:web"); got != consulwire.Critical {
				t.Errorf("%s: %s after the TTL", name, got)
			}
			must(t, r.Renew("service:web", consulwire.Passing, "again"))
			if got := status(state, "service:web"); got != consulwire.Passing {
				t.Errorf("%s: %s after a renewal", name, got)
			}
		})
	}
}

// TestResultsOfAFullDiskFollow holds that an instance which died while the disk was full is critical once it is not.
func TestResultsOfAFullDiskFollow(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
	must(t, err)
	r, state, disk := onDisk(t)
	must(t, r.RegisterCheck(&consulwire.CheckRegistration{
		Name: "tcp", TCP: target.Addr().String(), Interval: consulwire.Duration(time.Second), Timeout: consulwire.Duration(time.Second),
	}))
	await(t, state, "tcp", consulwire.Passing)
	disk.full.Store(true)
	must(t, target.Close())
	<-disk.refused
	disk.full.Store(false)
	await(t, state, "tcp", consulwire.Critical)
}

// await waits until the check has the status.
func await(t *testing.T, state *catalog.Catalog, id, want string) {
	t.Helper()
	for {
		v := state.View()
		changed := v.Mark(catalog.Checks).Changed
		if c := v.Check(node, id); c != nil && c.Status == want {
			return
		}
		<-changed
	}
}
