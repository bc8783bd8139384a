// Package session creates, renews and destroys the sessions of one agent, and ends those that nobody renews: what
// is over lives in the catalog and in this package's one goroutine.
//
// It speaks no protocol, and it keeps nothing of its own beyond when each session is due: the sessions are the
// catalog's.
package session

import (
	"cmp"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/uuid"
	"github.com/pandakit/panda/internal/consulwire"
)

// Bounds of a session's TTL, and how much longer than it a session may live: the client gets a grace period.
const (
	DefaultMinTTL = 10 * time.Second
	MaxTTL        = 24 * time.Hour
	grace         = 2
)

// retryAfter is how long a session stays that is due but could not be destroyed.
const retryAfter = 10 * time.Second

// Config says what an Expirer works on.
type Config struct {
	Catalog *catalog.Catalog
	Logger  *slog.Logger
	MinTTL  time.Duration // the shortest that a session may ask for; DefaultMinTTL when zero
}

// Expirer is the sessions' keeper. Its methods may be called from several goroutines at once.
type Expirer struct {
	cfg Config

	mu      sync.Mutex
	due     deadlines
	sooner  chan struct{} // has a value when a deadline is nearer than the goroutine knows
	stop    chan struct{}
	stopped sync.WaitGroup
	close   sync.Once
}

// New returns an Expirer that runs until Close. It knows of no session yet that the catalog has already: see Resume.
func New(cfg Config) *Expirer {
	cfg.MinTTL = cmp.Or(cfg.MinTTL, DefaultMinTTL)
	e := &Expirer{cfg: cfg, sooner: make(chan struct{}, 1), stop: make(chan struct{})}
	e.stopped.Go(e.run)
	return e
}

// Close ends the goroutine and waits for it. The sessions stay in the catalog, and none expires any more.
func (e *Expirer) Close() {
	e.close.Do(func() { close(e.stop) })
	e.stopped.Wait()
}

// Resume gives every session of the catalog a full new TTL. It is for a catalog that was filled by other means than
// Create.
func (e *Expirer) Resume() {
	for _, s := range e.cfg.Catalog.View().Sessions() {
		e.track(s)
	}
}

// InvalidError says that a session can never be as it was asked for. Reason is Consul's text.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

// Create adds a session under a new ID, which it sets. The error is an *[InvalidError] or the catalog's.
func (e *Expirer) Create(s *consulwire.Session) error {
	if s.Node == "" {
		return invalid("Must provide Node")
	}
	s.Behavior = cmp.Or(s.Behavior, consulwire.SessionRelease)
	if s.Behavior != consulwire.SessionRelease && s.Behavior != consulwire.SessionDelete {
		return invalid("Invalid Behavior setting '%s'", s.Behavior)
	}
	if err := e.validTTL(s.TTL); err != nil {
		return err
	}
	s.ID = uuid.New()
	if err := e.cfg.Catalog.Write(func(w *catalog.Writer) error { return w.CreateSession(s) }); err != nil {
		return err
	}
	e.track(s)
	return nil
}

func (e *Expirer) validTTL(text string) error {
	if text == "" {
		return nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil {
		return invalid("Session TTL '%s' invalid: %v", text, err)
	}
	if ttl != 0 && (ttl < e.cfg.MinTTL || ttl > MaxTTL) {
		return invalid("Invalid Session TTL '%d', must be between [%v=%v]", ttl, e.cfg.MinTTL, MaxTTL)
	}
	return nil
}

// Destroy ends a session; the error is the catalog's. One that is not there is no error.
func (e *Expirer) Destroy(id string) error {
	s := e.cfg.Catalog.View().Session(id)
	if s == nil {
		return nil
	}
	if err := e.cfg.Catalog.Write(func(w *catalog.Writer) error { w.DestroySession(s.ID); return nil }); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.due.byID[s.ID]; d != nil && !d.ending {
		e.due.drop(s.ID)
	}
	return nil
}

// Renew gives a session a full new TTL and returns it; nil when there is none, or it is over already.
func (e *Expirer) Renew(id string) *consulwire.Session {
	s := e.cfg.Catalog.View().Session(id)
	if s == nil || !e.track(s) {
		return nil
	}
	return s
}

// track sets the session's deadline anew, and reports whether there still was time.
func (e *Expirer) track(s *consulwire.Session) bool {
	ttl, err := time.ParseDuration(s.TTL)
	if err != nil || ttl <= 0 {
		return true // it never expires
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.set(s.ID, ttl*grace)
}

// set puts a session's deadline at the end of the given time from now. e.mu is held.
func (e *Expirer) set(id string, in time.Duration) bool {
	if d := e.due.byID[id]; d != nil && d.ending {
		return false
	}
	if first := e.due.set(id, time.Now().Add(in)); first {
		select {
		case e.sooner <- struct{}{}:
		default:
		}
	}
	return true
}

func (e *Expirer) run() {
	timer := time.NewTimer(MaxTTL)
	defer timer.Stop()
	for {
		timer.Reset(e.untilNext())
		select {
		case <-e.stop:
			return
		case <-e.sooner:
		case <-timer.C:
			e.expire()
		}
	}
}

func (e *Expirer) untilNext() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if first := e.due.first(); first != nil {
		return time.Until(first.at)
	}
	return MaxTTL
}

// expire ends the sessions that are due, all in one write.
func (e *Expirer) expire() {
	ids := e.takeDue()
	if len(ids) == 0 {
		return
	}
	err := e.cfg.Catalog.Write(func(w *catalog.Writer) error {
		for _, id := range ids {
			w.DestroySession(id)
		}
		return nil
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		e.due.drop(id)
		if err != nil {
			e.set(id, retryAfter)
		}
	}
	if err == nil {
		e.cfg.Logger.Debug("sessions ended: nobody renewed them", "sessions", len(ids))
	} else {
		e.cfg.Logger.Error("sessions are over but not ended; trying again later", "sessions", len(ids), "again_in", retryAfter, "error", err)
	}
}

// takeDue returns the sessions that are due. From then on they cannot be renewed.
func (e *Expirer) takeDue() (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for first := e.due.first(); first != nil && !first.at.After(now); first = e.due.first() {
		e.due.end(first)
		ids = append(ids, first.id)
	}
	return ids
}
