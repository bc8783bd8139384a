package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/pandakit/panda/internal/consulwire"
)

// Errors of changes of keys that were not made. A caller tells them apart to answer "no" rather than fail.
var (
	ErrStale     = errors.New("index is stale")
	ErrHeld      = errors.New("lock is already held")
	ErrNotHolder = errors.New("lock isn't held, or is held by another session")
	ErrLockDelay = errors.New("lock delay is not over")
	errNoSession = errors.New("missing session")
	errNoKey     = errors.New("a key is empty")
)

// Pair is a key with its value. One that a [View] returned is shared and must not be changed. A key is any bytes.
type Pair struct{ consulwire.KVPair }

// pairRow is how a pair is written down: a key need not be text, and JSON would change one that is not.
type pairRow struct {
	Key []byte
	*plainPair
}

type plainPair struct {
	LockIndex, Flags         uint64
	Value                    []byte
	Session                  string `json:",omitempty"`
	CreateIndex, ModifyIndex uint64
}

// MarshalJSON writes the pair so that UnmarshalJSON reads the same one.
func (p *Pair) MarshalJSON() ([]byte, error) {
	return json.Marshal(pairRow{[]byte(p.Key), &plainPair{
		p.LockIndex, p.Flags, p.Value, p.Session, p.CreateIndex, p.ModifyIndex,
	}})
}

// UnmarshalJSON reads a pair that MarshalJSON has written.
func (p *Pair) UnmarshalJSON(data []byte) error {
	row := pairRow{plainPair: new(plainPair)}
	if err := json.Unmarshal(data, &row); err != nil {
		return err
	}
	p.KVPair = consulwire.KVPair{
		LockIndex: row.LockIndex, Key: string(row.Key), Flags: row.Flags, Value: row.Value, Session: row.Session,
		CreateIndex: row.CreateIndex, ModifyIndex: row.ModifyIndex,
	}
	return nil
}

func samePair(a, b *Pair) bool {
	return a.LockIndex == b.LockIndex && a.Flags == b.Flags && a.Session == b.Session && bytes.Equal(a.Value, b.Value)
}

// Key returns the key with its value, or nil.
func (v View) Key(key string) *Pair { return one[Pair](v, tableKV, byID, key) }

// Keys yields the keys that begin with the prefix, sorted.
func (v View) Keys(prefix string) iter.Seq[*Pair] { return rows[Pair](v, tableKV, byPrefix, prefix) }

// LockedBy returns the keys whose lock the session holds.
func (v View) LockedBy(session string) []*Pair {
	return slices.Collect(rows[Pair](v, tableKV, bySession, session))
}

// SetKey stores flags and value under the key and returns what is stored. A lock of the key stays.
func (w *Writer) SetKey(p *consulwire.KVPair) (*Pair, error) {
	before := w.Key(p.Key)
	after := &Pair{consulwire.KVPair{Key: p.Key, Flags: p.Flags, Value: p.Value}}
	if before != nil {
		after.Session = before.Session
	}
	return w.putPair(before, after)
}

// SetKeyIf is SetKey when the key's ModifyIndex is index, or when there is no such key and index is 0; else the
// error is ErrStale.
func (w *Writer) SetKeyIf(p *consulwire.KVPair, index uint64) (*Pair, error) {
	if before := w.Key(p.Key); (before == nil) != (index == 0) || before != nil && before.ModifyIndex != index {
		return nil, ErrStale
	}
	return w.SetKey(p)
}

// LockKey stores flags and value and makes p.Session the holder of the key's lock, which it may be already. The error
// is ErrHeld when another session is, and ErrLockDelay when one lost the lock a short while ago.
func (w *Writer) LockKey(p *consulwire.KVPair) (*Pair, error) {
	if w.LockDelayed(p.Key) {
		return nil, ErrLockDelay
	}
	if p.Session == "" {
		return nil, errNoSession
	}
	if w.Session(p.Session) == nil {
		return nil, fmt.Errorf("invalid session %q", p.Session)
	}
	before := w.Key(p.Key)
	after := &Pair{consulwire.KVPair{Key: p.Key, Flags: p.Flags, Value: p.Value, Session: p.Session, LockIndex: 1}}
	if before != nil {
		if before.Session != "" && before.Session != p.Session {
			return nil, ErrHeld
		}
		after.LockIndex = before.LockIndex
		if before.Session == "" {
			after.LockIndex++
		}
	}
	return w.putPair(before, after)
}

// UnlockKey stores flags and value and frees the key's lock. The error is ErrNotHolder when p.Session does not hold it.
func (w *Writer) UnlockKey(p *consulwire.KVPair) (*Pair, error) {
	if p.Session == "" {
		return nil, errNoSession
	}
	before := w.Key(p.Key)
	if before == nil || before.Session != p.Session {
		return nil, ErrNotHolder
	}
	return w.putPair(before, &Pair{consulwire.KVPair{Key: p.Key, Flags: p.Flags, Value: p.Value, LockIndex: before.LockIndex}})
}

// putPair stores after, with a value of its own, in place of before, which may be nil.
func (w *Writer) putPair(before, after *Pair) (*Pair, error) {
	if after.Key == "" {
		return nil, fmt.Errorf("set key: %w", errNoKey)
	}
	after.CreateIndex, after.ModifyIndex = w.index, w.index
	if before != nil {
		if samePair(before, after) {
			return before, nil
		}
		after.CreateIndex = before.CreateIndex
	}
	if after.Value = bytes.Clone(after.Value); len(after.Value) == 0 {
		after.Value = nil
	}
	w.put(tableKV, after)
	w.touch(allKeys)
	return after, nil
}

// DeleteKey removes the key, and reports whether there was one.
func (w *Writer) DeleteKey(key string) bool {
	pair := w.Key(key)
	if pair == nil {
		return false
	}
	w.removePair(pair)
	w.bury(key)
	return true
}

// DeleteKeyIf removes the key when its ModifyIndex is index. A key that is not there is no error; one that has
// changed is ErrStale.
func (w *Writer) DeleteKeyIf(key string, index uint64) error {
	if pair := w.Key(key); pair != nil && pair.ModifyIndex != index {
		return ErrStale
	}
	w.DeleteKey(key)
	return nil
}

// DeleteTree removes every key that begins with the prefix, and returns how many there were.
func (w *Writer) DeleteTree(prefix string) int {
	pairs := slices.Collect(w.Keys(prefix))
	few := len(pairs) <= mostBuried
	for _, p := range pairs {
		w.removePair(p)
		if few {
			w.bury(p.Key)
		}
	}
	if !few {
		w.setForgotten(w.index)
	}
	return len(pairs)
}

func (w *Writer) removePair(p *Pair) {
	w.remove(tableKV, p)
	w.touch(allKeys)
}
