package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// Store keeps one catalog. Its methods may be called from several goroutines at once, but for Close and for Append,
// which the catalog calls.
type Store struct {
	disk    disk
	logger  *slog.Logger
	catalog *catalog.Catalog
	nodeID  string
	unlock  func() error
	least   int64 // bytes of journal below which no snapshot is written

	// syncing is held while the journal is synced or exchanged for the next one; journal itself is used by Append.
	syncing sync.Mutex
	journal *journal
	mark    mark // that the folder has; load, Append and Close change it, which do not overlap

	mu      sync.Mutex
	written position      // what Append has written
	synced  position      // what is on disk
	changed chan struct{} // closed when synced or err change
	err     error         // why no more is taken
	limit   int64         // bytes of journal beyond which a snapshot is written
	busy    bool          // a snapshot is being written

	failed   chan struct{}
	wake     chan struct{}
	begun    chan beginning
	stop     chan struct{}
	routines sync.WaitGroup
}

// position is a place in the journal: the index of the last write before it, and its offset in the last file.
type position struct {
	index uint64
	size  int64
}

// beginning is what a journal begins with: the rows that its snapshot must hold.
type beginning struct {
	sequence uint64
	view     catalog.View
}

// leastJournal is how large a journal gets, in bytes, before a snapshot takes its place.
const leastJournal = 16 << 20

var errClosed = errors.New("the store is closed")

// Open loads what the folder keeps, which may be nothing, into a new catalog, and from then on keeps every write of it.
// The folder is made if there is none; only one Store uses it at a time. The catalog's index begins above any that was
// told before, also when the clock was set back. The error names what is wrong with which file, and the way out.
func Open(dir string, logger *slog.Logger) (*Store, error) {
	unlock, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	d := folder(dir)
	id, err := keptNodeID(d)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	s, err := open(d, logger, uint64(time.Now().UnixMicro()), leastJournal)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load data dir %s: %w", dir, err), unlock())
	}
	s.nodeID, s.unlock = id, unlock
	if id == "" { // only now: the ID tells that there is a journal
		if s.nodeID, err = newNodeID(d); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func open(d disk, logger *slog.Logger, start uint64, least int64) (*Store, error) {
	s := &Store{
		disk: d, logger: logger, catalog: catalog.New(1), least: least, limit: least, unlock: func() error { return nil },
		changed: make(chan struct{}), failed: make(chan struct{}), stop: make(chan struct{}),
		wake: make(chan struct{}, 1), begun: make(chan beginning, 1),
	}
	last, err := s.load()
	if err != nil {
		return nil, err
	}
	begin := max(start, last+1)
	s.catalog.Begin(begin)
	s.written = position{last, s.journal.size} // load has synced all
	s.synced = s.written
	s.catalog.SetJournal(s)
	if err := s.Append(begin, nil); err != nil { // the index is told from now on; a full disk can still be read
		logger.Warn("the data dir takes no writes", "error", err)
	}
	s.routines.Go(s.syncWhenWoken)
	s.routines.Go(s.writeSnapshots)
	return s, nil
}

// Catalog returns what is kept.
func (s *Store) Catalog() *catalog.Catalog { return s.catalog }

// NodeID returns the ID of the agent's node, a UUID, which stays the same as long as the folder does.
func (s *Store) NodeID() string { return s.nodeID }

// Append writes the changes to the journal: see [catalog.Journal]. What it has written survives the process. It
// survives the machine once Settle has returned.
func (s *Store) Append(index uint64, changes []catalog.Change) error {
	payload, err := encode(index, changes)
	if err != nil {
		return err
	}
	s.mu.Lock()
	err = s.err
	synced, full := s.synced.size, s.journal.size > s.limit && !s.busy
	s.mu.Unlock()
	if err == nil && full {
		synced, err = s.beginJournal(synced)
	}
	if err != nil {
		return err
	}
	if err := s.journal.append(payload, synced); err != nil {
		return unchanged(err)
	}
	s.mu.Lock()
	s.written = position{index, s.journal.size}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // woken already
	}
	return nil
}

func unchanged(err error) error { return fmt.Errorf("%w; nothing was changed", err) }

// Settle returns once every write up to the index is on disk, or could never be: then the error says why.
func (s *Store) Settle(ctx context.Context, index uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	index = min(index, s.written.index) // later ones have not been told to anyone
	for s.synced.index < index && s.err == nil {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if err := ctx.Err(); err != nil && s.synced.index < index {
			return fmt.Errorf("wait for the disk: %w", err)
		}
	}
	if s.synced.index < index {
		return s.err
	}
	return nil
}

// Failed is closed when the disk can no longer be trusted. The agent must stop then.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err says why the store takes nothing more, or nil.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close brings to disk what is not yet there, and lets go of the folder. No write may be under way or follow.
func (s *Store) Close() error {
	close(s.stop)
	s.routines.Wait()
	err := s.sync()
	if err == nil {
		s.setMark(mark{s.journal.sequence, s.journal.size})
	}
	s.refuse(errClosed)
	return errors.Join(err, s.journal.file.Close(), s.unlock())
}

// syncWhenWoken brings to disk what was written since it did so last, for all who wait.
func (s *Store) syncWhenWoken() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
			_ = s.sync() // an error has been told by Failed
		}
	}
}

func (s *Store) sync() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	return s.syncJournal()
}

// syncJournal is called with syncing held. After an error nothing is known of what the disk has, and a second try could
// succeed without having written anything: the store is at its end.
func (s *Store) syncJournal() error {
	s.mu.Lock()
	written, synced, err := s.written, s.synced, s.err
	s.mu.Unlock()
	if err != nil || written == synced {
		return err
	}
	if err := s.journal.file.Sync(); err != nil {
		return s.fail(err)
	}
	s.confirm(written)
	return nil
}

// confirm wakes those who wait for what is on disk now.
func (s *Store) confirm(written position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced = written
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Store) fail(cause error) error {
	err := fmt.Errorf("the disk did not confirm what was written (%w); the agent stops, since it can no longer tell what is kept: "+
		"check the disk and start it again", cause)
	if s.refuse(err) {
		s.logger.Error("data is not safe", "error", err)
		close(s.failed)
	}
	return s.Err()
}

// refuse ends the store, and reports whether it had not ended yet.
func (s *Store) refuse(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.err = err
	close(s.changed)
	s.changed = make(chan struct{})
	return true
}
