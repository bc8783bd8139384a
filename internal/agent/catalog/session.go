package catalog

import (
	"fmt"
	"slices"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// MaxLockDelay bounds how long a key stays closed to other sessions after one lost its lock.
const MaxLockDelay = time.Minute

// Sessions returns all sessions, by ID.
func (v View) Sessions() []*consulwire.Session {
	return slices.Collect(rows[consulwire.Session](v, tableSessions, byID))
}

// NodeSessions returns the sessions of a node, by ID.
func (v View) NodeSessions(node string) []*consulwire.Session {
	return slices.Collect(rows[consulwire.Session](v, tableSessions, byNode, node))
}

// Session returns the session with that ID in any case, or nil.
func (v View) Session(id string) *consulwire.Session {
	return one[consulwire.Session](v, tableSessions, byID, id)
}

func (v View) sessionMark(id string) Mark {
	changed, _, _ := v.txn.FirstWatch(tableSessions, byID, id)
	return Mark{Index: v.Mark(Sessions).Index, Changed: changed}
}

func (v View) nodeSessionsMark(node string) Mark {
	return Mark{Index: v.Mark(Sessions).Index, Changed: v.watch(tableSessions, byNode, node)}
}

// CreateSession adds the session, whose ID must be new. Its node must exist, and its checks must exist and not be
// critical; it ends with the first of them that turns critical or is removed.
func (w *Writer) CreateSession(session *consulwire.Session) error {
	if session.ID == "" || w.Session(session.ID) != nil {
		return fmt.Errorf("create session %q: the ID is empty or not new", session.ID)
	}
	if w.Node(session.Node) == nil {
		return fmt.Errorf("create session on %q: %w", session.Node, ErrNoNode)
	}
	for _, id := range session.CheckIDs() {
		check := w.Check(session.Node, id)
		if check == nil {
			return fmt.Errorf("Missing check '%s' registration", id) //nolint:staticcheck // Consul's text, which clients see
		}
		if check.Status == consulwire.Critical {
			return fmt.Errorf("Check '%s' is in %s state", id, check.Status)
		}
	}
	own := *session
	own.NodeChecks = slices.Clone(session.NodeChecks)
	own.ServiceChecks = slices.Clone(session.ServiceChecks)
	own.Checks = slices.Clone(session.Checks)
	own.CreateIndex, own.ModifyIndex = w.index, w.index
	w.put(tableSessions, &own)
	w.touch(Sessions)
	return nil
}

// DestroySession ends the session, and reports whether there was one. Its locks are freed, or their keys deleted when
// that is the session's behavior; other sessions can lock them once the session's lock delay is over.
func (w *Writer) DestroySession(id string) bool {
	session := w.Session(id)
	if session == nil {
		return false
	}
	w.remove(tableSessions, session)
	w.touch(Sessions)
	for _, held := range w.LockedBy(id) {
		if session.Behavior == consulwire.SessionDelete {
			w.DeleteKey(held.Key)
		} else {
			free := *held
			free.Session, free.ModifyIndex = "", w.index
			w.put(tableKV, &free)
			w.touch(allKeys)
		}
		w.delayLock(held.Key, session.LockDelay)
	}
	return true
}

func (w *Writer) delayLock(key string, delay time.Duration) {
	if delay <= 0 {
		return
	}
	if w.delays == nil {
		w.delays = make(map[string]time.Duration)
	}
	w.delays[key] = min(delay, MaxLockDelay)
}

// endSessions ends the sessions that depend on a check.
func (w *Writer) endSessions(node, check string) {
	for _, s := range slices.Collect(rows[consulwire.Session](w.View, tableSessions, byCheck, node, check)) {
		w.DestroySession(s.ID)
	}
}

// lockDelays are the keys that no session may lock before a time. Only the one writer touches them.
type lockDelays struct {
	now    func() time.Time // nil: there is no lock delay
	until  map[string]time.Time
	expire int // the length at which those that are over are dropped
}

// fewDelays is a number of lock delays that need not be tidied.
const fewDelays = 1024

// SetClock gives the catalog the time, by which it ends lock delays. Without a clock there are none. It must not
// overlap a Write.
func (c *Catalog) SetClock(now func() time.Time) { c.delays.now = now }

// LockDelayed reports whether the key cannot be locked yet because a session lost its lock a short while ago.
func (w *Writer) LockDelayed(key string) bool {
	until, ok := w.delayed.until[key]
	return ok && until.After(w.delayed.now())
}

func (d *lockDelays) add(delays map[string]time.Duration) {
	if d.now == nil || len(delays) == 0 {
		return
	}
	now := d.now()
	if d.until == nil {
		d.until = make(map[string]time.Time, len(delays))
	}
	for key, delay := range delays {
		d.until[key] = now.Add(delay)
	}
	if len(d.until) < max(d.expire, fewDelays) {
		return
	}
	for key, until := range d.until {
		if !until.After(now) {
			delete(d.until, key)
		}
	}
	d.expire = 2 * len(d.until)
}
