package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// journal is the file that writes are appended to.
type journal struct {
	file     file
	name     string
	sequence uint64
	seed     uint32
	size     int64 // of the good records
	torn     bool  // a failed write may have left something behind them
}

func journalName(sequence uint64) string { return fmt.Sprintf("journal-%08d.panda", sequence) }

// newJournal makes an empty journal, which lasts only once it and the folder are synced. On an error nothing that counts
// is left.
func newJournal(d disk, sequence uint64) (*journal, error) {
	name := journalName(sequence)
	f, err := d.Create(name)
	if err != nil {
		return nil, err
	}
	head, seed := header(journalMagic, sequence, newSalt())
	if _, err := f.WriteAt(head, 0); err != nil {
		_ = f.Close()
		_ = d.Remove(name) // an incomplete header does not count either
		return nil, err
	}
	return &journal{file: f, name: name, sequence: sequence, seed: seed, size: headerSize}, nil
}

func newSalt() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// append writes a record. After an error the journal is as it was.
func (j *journal) append(payload []byte, synced int64) error {
	if err := j.cut(); err != nil {
		return err
	}
	record := frame(make([]byte, 0, recordHeader+len(payload)), j.seed, synced, payload)
	if _, err := j.file.WriteAt(record, j.size); err != nil {
		j.torn = true
		_ = j.cut() // else before the next record, or at the next start
		return err
	}
	j.size += int64(len(record))
	return nil
}

// cut removes what a failed write has left.
func (j *journal) cut() error {
	if !j.torn {
		return nil
	}
	if err := j.file.Truncate(j.size); err != nil {
		return fmt.Errorf("take back a failed write: %w", err)
	}
	j.torn = false
	return nil
}
