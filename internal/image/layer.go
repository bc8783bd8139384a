package image

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a layer in a file, whose sums were taken as it was written.
type layer struct {
	file           string // compressed
	what           string // is in it
	digest, diffID v1.Hash
	size           int64 // compressed
	content        int64 // not compressed
	largest        int64 // of its files
}

// Digest implements v1.Layer.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID implements v1.Layer.
func (l *layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size implements v1.Layer.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType implements v1.Layer.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed implements v1.Layer.
func (l *layer) Compressed() (io.ReadCloser, error) { return os.Open(l.file) }

// Uncompressed implements v1.Layer.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	file, err := os.Open(l.file)
	if err != nil {
		return nil, err
	}
	reader, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{reader, file}, nil
}

// summed counts and sums what goes through it.
type summed struct {
	io.Writer

	hash hash.Hash
	n    int64
}

func newSummed(w io.Writer) *summed {
	sum := sha256.New()
	return &summed{Writer: io.MultiWriter(w, sum), hash: sum}
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	s.n += int64(n)
	return n, err
}

func (s *summed) sum() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(s.hash.Sum(nil))}
}

// writeLayer makes a layer of what fill puts into it.
func writeLayer(name, what string, fill func(*archive) error) (_ *layer, err error) {
	file, err := os.Create(name) //nolint:gosec // in a folder of ours
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	compressed := newSummed(file)
	packer := gzip.NewWriter(compressed)
	plain := newSummed(packer)
	a := &archive{Writer: tar.NewWriter(plain), dirs: make(map[string]bool)}
	if err := errors.Join(fill(a), a.Close(), packer.Close()); err != nil {
		return nil, fmt.Errorf("write the layer with the %s: %w", what, err)
	}
	return &layer{
		file: name, what: what, digest: compressed.sum(), diffID: plain.sum(), size: compressed.n, content: plain.n, largest: a.largest,
	}, nil
}

// archive is a tar archive whose entries tell nothing of this machine: no times, no names of users, fixed modes.
type archive struct {
	*tar.Writer

	dirs    map[string]bool // that it has, without slashes around them
	largest int64
}

// The one user of an image.
const (
	userID   = 65532
	userName = "panda"
)

const (
	modeFolder     = 0o755
	modeFile       = 0o444
	modeExecutable = 0o555
	modeSticky     = 0o1777
	modePrivate    = 0o700
)

// header writes an entry; its name, an absolute path, must be behind that of its folder.
func (a *archive) header(h tar.Header) error {
	h.Name = strings.TrimPrefix(h.Name, "/")
	if h.Typeflag == tar.TypeDir {
		a.dirs[h.Name] = true
		h.Name += "/"
	}
	h.Linkname = strings.TrimPrefix(h.Linkname, "/")
	h.Format = tar.FormatUSTAR
	return a.WriteHeader(&h)
}

// folders writes those above a path that the archive does not have yet.
func (a *archive) folders(name string) error {
	var missing []string
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if !a.dirs[strings.TrimPrefix(dir, "/")] {
			missing = append(missing, dir)
		}
	}
	for _, dir := range slices.Backward(missing) {
		if err := a.header(tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: rootMode(dir)}); err != nil {
			return err
		}
	}
	return nil
}

// rootMode is the mode that a folder has in every layer, since the last layer to name it has its say.
func rootMode(dir string) int64 {
	if dir == "/tmp" {
		return modeSticky
	}
	return modeFolder
}

func (a *archive) text(name, content string) error {
	if err := a.folders(name); err != nil {
		return err
	}
	if err := a.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: modeFile, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := io.WriteString(a, content)
	return err
}

// executable copies a program of this machine.
func (a *archive) executable(ctx context.Context, name, from string) error {
	if err := a.folders(name); err != nil {
		return err
	}
	file, err := os.Open(from) //nolint:gosec // what was built or named by the user
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	a.largest = max(a.largest, info.Size())
	if err := a.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: modeExecutable, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(a, interruptible{ctx, file})
	return err
}

// owned writes folders that belong to the image's user.
func (a *archive) owned(dirs []string) error {
	for _, dir := range slices.Sorted(slices.Values(dirs)) {
		if err := a.folders(dir); err != nil {
			return err
		}
		err := a.header(tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: modePrivate, Uid: userID, Gid: userID})
		if err != nil {
			return err
		}
	}
	return nil
}

// interruptible ends with its context.
type interruptible struct {
	ctx context.Context //nolint:containedctx // of one copy
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
