package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The format of a file: a header, then records to its end. Numbers are big endian, checksums CRC-32C.
//
//	header  magic(8) version(4) sequence(8) salt(8) checksum(4)
//	record  length(4) checksum of payload(4) synced(8) checksum of these(4) payload
//	mark    a header alone, in a file of its own; its salt is a size: see mark
//
// A record's checksums begin with that of the header, whose salt is random: what an older file has left in the same
// blocks of the disk is never taken for a record. The highest bit of length is set, so that a record's first byte is not
// zero, as no byte of its JSON is: a sector of zeros was never written. synced is how much of the file was on disk for certain when the record
// was written: it tells damage from what a crash has left unfinished.
const (
	version      = 1
	headerSize   = 8 + 4 + 8 + 8 + 4
	recordHeader = 4 + 4 + 8 + 4

	journalMagic  = "pandajnl"
	snapshotMagic = "pandasnp"

	// largest is the most that one record holds, in bytes: a restored snapshot with its JSON.
	largest = 1 << 30

	lengthMark = 1 << 31
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func header(magic string, sequence, salt uint64) (encoded []byte, seed uint32) {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint64(b, sequence)
	b = binary.BigEndian.AppendUint64(b, salt)
	seed = crc32.Checksum(b, castagnoli)
	return binary.BigEndian.AppendUint32(b, seed), seed
}

// frame appends a record to b.
func frame(b []byte, seed uint32, synced int64, payload []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload))|lengthMark) //nolint:gosec // at most largest
	b = binary.BigEndian.AppendUint32(b, crc32.Update(seed, castagnoli, payload))
	b = binary.BigEndian.AppendUint64(b, uint64(synced)) //nolint:gosec // a size, never negative
	b = binary.BigEndian.AppendUint32(b, crc32.Update(seed, castagnoli, b[start:]))
	return append(b, payload...)
}

// reader reads the records of one file.
type reader struct {
	name   string
	source io.ReaderAt
	size   int64
	in     *bufio.Reader
	seed   uint32
	offset int64 // of the next record
}

// damage is what cannot be read as a record.
type damage struct {
	offset int64
	why    string
	end    int64 // of the record, or of the file when the record's length is not known
	short  bool  // the file ends within the record
}

func (d *damage) Error() string { return fmt.Sprintf("at offset %d: %s", d.offset, d.why) }

// newReader reads the header. The error is a *damage, a *versionError or one of reading.
func newReader(f file, name, magic string, sequence uint64) (*reader, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	r := &reader{name: name, source: f, size: size, in: bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 1<<16)}
	b := make([]byte, headerSize)
	n, err := io.ReadFull(r.in, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	h, err := parseHeader(b[:n], magic)
	if err != nil {
		return nil, err
	}
	if h.sequence != sequence {
		return nil, &damage{why: fmt.Sprintf("it is file %d under the name of file %d", h.sequence, sequence)}
	}
	r.seed, r.offset = h.seed, headerSize
	return r, nil
}

type parsedHeader struct {
	sequence, salt uint64
	seed           uint32
}

// parseHeader reads what a file begins with. The error is a *damage or a *versionError.
func parseHeader(b []byte, magic string) (h parsedHeader, err error) {
	if len(b) < headerSize {
		return h, &damage{why: "the file ends within its header"}
	}
	if string(b[:8]) != magic {
		return h, &damage{why: fmt.Sprintf("it does not begin with %q", magic)}
	}
	if v := binary.BigEndian.Uint32(b[8:]); v > version && v < 1<<16 {
		return h, &versionError{version: v}
	}
	h.sequence, h.salt = binary.BigEndian.Uint64(b[12:]), binary.BigEndian.Uint64(b[20:])
	want, seed := header(magic, h.sequence, h.salt)
	if !bytes.Equal(b, want) {
		return h, &damage{why: "the checksum of the header is wrong"}
	}
	h.seed = seed
	return h, nil
}

type versionError struct{ version uint32 }

func (e *versionError) Error() string {
	return fmt.Sprintf("it has format version %d and was written by a newer panda; this one reads version %d: "+
		"start the agent of that panda, or choose another folder for -data-dir", e.version, version)
}

// readError returns what the end of the data means, or the error of reading it.
func readError(err error, end *damage) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return end
	}
	return err
}

// next returns the payload of the next record, io.EOF after the last one, or a *damage.
func (r *reader) next() ([]byte, error) {
	if r.offset == r.size {
		return nil, io.EOF
	}
	bad := &damage{offset: r.offset, end: r.size}
	var head [recordHeader]byte
	bad.why, bad.short = "the file ends within a record", true
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return nil, readError(err, bad)
	}
	length, ok := r.length(head[:])
	if !ok {
		bad.why, bad.short = "the checksum of a record's header is wrong", false
		return nil, bad
	}
	end := r.offset + recordHeader + length
	if end > r.size {
		return nil, bad
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r.in, payload); err != nil {
		return nil, readError(err, bad)
	}
	if crc32.Update(r.seed, castagnoli, payload) != binary.BigEndian.Uint32(head[4:]) {
		return nil, &damage{offset: r.offset, why: "the checksum of a record is wrong", end: end}
	}
	r.offset = end
	return payload, nil
}

func (r *reader) length(head []byte) (length int64, ok bool) {
	marked := binary.BigEndian.Uint32(head)
	sum := crc32.Update(r.seed, castagnoli, head[:recordHeader-4])
	return int64(marked &^ lengthMark), marked >= lengthMark && sum == binary.BigEndian.Uint32(head[recordHeader-4:])
}

// sector is what a disk writes as a whole. What never reached it reads as zeros.
const sector = 512

// torn reports whether a crash explains the damage: nothing from there on was known to be on disk, and the end of the
// record is missing, or one of its sectors was never written.
func (r *reader) torn(d *damage) (bool, error) {
	rest := make([]byte, r.size-d.offset)
	if _, err := r.source.ReadAt(rest, d.offset); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for at := 1; at+recordHeader <= len(rest); at++ {
		if _, ok := r.length(rest[at:]); ok && binary.BigEndian.Uint64(rest[at+8:]) > uint64(d.offset) { //nolint:gosec // never negative
			return false, nil
		}
	}
	return d.short || unwritten(rest[:d.end-d.offset], d.offset), nil
}

// unwritten reports whether a sector's share of the record at offset holds zeros only.
func unwritten(record []byte, offset int64) bool {
	for len(record) > 0 {
		n := min(int64(len(record)), sector-offset%sector)
		if len(bytes.Trim(record[:n], "\x00")) == 0 {
			return true
		}
		record, offset = record[n:], offset+n
	}
	return false
}
