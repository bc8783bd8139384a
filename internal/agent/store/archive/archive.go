// Package archive is the file that `consul snapshot save` writes and `consul snapshot restore` reads: all rows of a
// catalog at one moment, checksummed.
//
// It is packed as Consul's is (a gzipped tar of meta.json, state.bin and SHA256SUMS), and state.bin holds the records that
// Consul's servers restore, each with our own row inside: Consul restores ours, while we do not restore Consul's, and
// [Read] says so. The package changes no catalog, and returns nothing of an archive before all of it has been verified.
package archive

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// Largest is the most that an archive holds, in bytes of state.bin, and the largest archive.
const Largest = 512 << 20

// format is the version of state.bin; those before it are read too.
const format = 2

// The files in an archive, which are Consul's.
const (
	metaName  = "meta.json"
	stateName = "state.bin"
	sumsName  = "SHA256SUMS"

	largestMeta = 64 << 10 // bytes; also of the sums
)

// What errors begin with, as Consul's do.
const (
	notUnpacked = "failed to decompress snapshot"
	notRead     = "failed to read snapshot file"
)

// meta has the fields that Consul's tools show, and ours.
type meta struct {
	Version            int
	ID                 string
	Index              uint64
	Term               uint64
	Peers              []byte
	Configuration      struct{ Servers []struct{} }
	ConfigurationIndex uint64
	Size               int64
	Panda              int // the format; Consul's own archives have none
}

// Archive is what a view holds, ready to be written.
type Archive struct {
	view catalog.View
	now  time.Time
	size int64
	sum  []byte
}

// New measures an archive of the view, which was taken now. The error says that it would be too large to be restored.
func New(view catalog.View, now time.Time) (*Archive, error) {
	sum := sha256.New()
	counted := &counter{Writer: sum}
	if err := writeState(counted, view); err != nil {
		return nil, err
	}
	if counted.n > Largest {
		return nil, fmt.Errorf("save a snapshot: it has %d bytes, and no more than %d could be restored", counted.n, Largest)
	}
	return &Archive{view: view, now: now, size: counted.n, sum: sum.Sum(nil)}, nil
}

type counter struct {
	io.Writer

	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// Write writes the archive.
func (a *Archive) Write(w io.Writer) error {
	index := a.view.Index()
	m, err := json.Marshal(meta{
		Version: 1, ID: fmt.Sprintf("1-%d-%d", index, a.now.UnixMilli()), Index: index, Term: 1, ConfigurationIndex: 1,
		Size: a.size, Panda: format,
	})
	if err != nil {
		return err
	}
	sums := fmt.Appendf(nil, "%x  %s\n%x  %s\n", sha256.Sum256(m), metaName, a.sum, stateName)
	packed := gzip.NewWriter(w)
	files := tar.NewWriter(packed)
	err = errors.Join(a.add(files, metaName, m), a.addState(files), a.add(files, sumsName, sums))
	if err != nil {
		return err
	}
	return errors.Join(files.Close(), packed.Close())
}

func (a *Archive) head(files *tar.Writer, name string, size int64) error {
	return files.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: a.now})
}

func (a *Archive) add(files *tar.Writer, name string, content []byte) error {
	if err := a.head(files, name, int64(len(content))); err != nil {
		return err
	}
	_, err := files.Write(content)
	return err
}

func (a *Archive) addState(files *tar.Writer) error {
	if err := a.head(files, stateName, a.size); err != nil {
		return err
	}
	return writeState(files, a.view)
}

// State is what an archive holds.
type State struct {
	Index uint64           // the highest that was told when it was saved
	Rows  map[string][]any // by table of the catalog
}

// Read reads an archive to its end and verifies it. Texts of errors that Consul has too are Consul's.
func Read(r io.Reader) (*State, error) {
	packed, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", notUnpacked, err)
	}
	c, err := unpack(tar.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", notRead, err)
	}
	if extra, err := io.Copy(io.Discard, io.LimitReader(packed, largestMeta)); err != nil || extra > 0 {
		return nil, fmt.Errorf("%s: %d bytes after its end: %v", notRead, extra, err)
	}
	return c.state()
}

// contents are the files of an archive, and what their content sums up to.
type contents struct {
	files map[string][]byte
	sums  map[string]string
}

func unpack(archive *tar.Reader) (*contents, error) {
	c := &contents{files: map[string][]byte{}, sums: map[string]string{}}
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("failed reading snapshot: %w", err)
		}
		if err := c.read(head.Name, archive); err != nil {
			return nil, err
		}
	}
	if err := c.verify(); err != nil {
		return nil, fmt.Errorf("failed checking integrity of snapshot: %w", err)
	}
	return c, nil
}

func (c *contents) read(name string, from io.Reader) error {
	limit := int64(largestMeta)
	if name == stateName {
		limit = Largest
	}
	switch _, twice := c.files[name]; {
	case name != metaName && name != stateName && name != sumsName:
		return fmt.Errorf("unexpected file %q in snapshot", name)
	case twice:
		return fmt.Errorf("file %q is there twice in snapshot", name)
	}
	content, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(content)) > limit {
		return fmt.Errorf("file %q is larger than %d bytes in snapshot", name, limit)
	}
	c.files[name], c.sums[name] = content, hexOf(sha256.New(), content)
	return nil
}

func hexOf(h hash.Hash, content []byte) string {
	_, _ = h.Write(content) // never fails
	return hex.EncodeToString(h.Sum(nil))
}

// verify holds the files against the sums, all of which must be there.
func (c *contents) verify() error {
	listed := map[string]bool{}
	for line := range strings.Lines(string(c.files[sumsName])) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if name != metaName && name != stateName {
			return fmt.Errorf("list missing hash for %q", name)
		}
		if c.sums[name] != sum {
			return fmt.Errorf("hash check failed for %q", name)
		}
		listed[name] = true
	}
	for _, name := range []string{metaName, stateName} {
		if !listed[name] {
			return fmt.Errorf("file missing for %q", name)
		}
	}
	return nil
}

func (c *contents) state() (*State, error) {
	var m meta
	if err := json.Unmarshal(c.files[metaName], &m); err != nil {
		return nil, fmt.Errorf("read %s of the snapshot: %w", metaName, err)
	}
	switch {
	case m.Panda == 0:
		return nil, errors.New("this is a snapshot of Consul itself, which only Consul can restore; " +
			"carry keys over with consul kv export and consul kv import")
	case m.Panda > format:
		return nil, errors.New("this is a snapshot of format " + strconv.Itoa(m.Panda) + ", written by a newer panda; this one reads format " + strconv.Itoa(format))
	}
	return readState(c.files[stateName], m.Panda)
}
