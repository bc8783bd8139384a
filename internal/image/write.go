package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Named is an image and the reference that it is to have.
type Named struct {
	*Image

	Reference string // as hello:1.0 or registry.example.com/shop/hello:1.0
}

// WriteArchive writes images in the form that "docker load" reads, which has room for one platform: each image has
// exactly one variant.
func WriteArchive(w io.Writer, images []Named) error {
	out := tar.NewWriter(w)
	written := make(map[string]bool)
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var entries []entry
	for _, named := range images {
		if len(named.Variants) != 1 {
			return fmt.Errorf("write %s: an archive has room for one platform, not for %d", named.Reference, len(named.Variants))
		}
		img := named.Variants[0].Image
		config, err := addConfig(out, img, written)
		if err != nil {
			return err
		}
		layers, err := addLayers(out, img, written)
		if err != nil {
			return err
		}
		entries = append(entries, entry{config, []string{named.Reference}, layers})
	}
	manifest, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	if err := addBytes(out, "manifest.json", manifest); err != nil {
		return err
	}
	return out.Close()
}

func addConfig(out *tar.Writer, img v1.Image, written map[string]bool) (string, error) {
	digest, err := img.ConfigName()
	if err != nil {
		return "", err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return "", err
	}
	name := digest.Hex + ".json"
	if written[name] {
		return name, nil
	}
	written[name] = true
	return name, addBytes(out, name, config)
}

func addLayers(out *tar.Writer, img v1.Image, written map[string]bool) ([]string, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return nil, err
		}
		name := digest.Hex + ".tar.gz"
		names = append(names, name)
		if written[name] {
			continue
		}
		written[name] = true
		if err := addLayer(out, name, l); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func addLayer(out *tar.Writer, name string, l v1.Layer) error {
	size, err := l.Size()
	if err != nil {
		return err
	}
	content, err := l.Compressed()
	if err != nil {
		return err
	}
	defer content.Close()
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return err
}

func addBytes(out *tar.Writer, name string, content []byte) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := out.Write(content)
	return err
}

// WriteFile makes or replaces a file with what write writes. When that fails, what was there before stays.
func WriteFile(name string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, cause(err))
	}
	defer func() {
		if err != nil {
			_ = file.Close()           // it may be closed
			_ = os.Remove(file.Name()) // it may have its name already
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	err = errors.Join(file.Chmod(0o644), file.Close()) // an image is for others
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, cause(err))
	}
	return nil
}

// cause strips the path that the text around it names already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// LayoutError says that a folder has something that is no OCI layout, and is left alone.
type LayoutError struct{ Dir string }

func (e *LayoutError) Error() string {
	return fmt.Sprintf("write %s: it is there and is no OCI layout", e.Dir)
}

// CheckLayout tells whether [WriteLayout] can make or replace a folder: one that is not there, empty, or a layout.
func CheckLayout(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "oci-layout" }) {
		return nil
	}
	return &LayoutError{dir}
}

// WriteLayout makes a folder in the form of an OCI image layout, with the bill of materials of each variant beside it as
// a referrer. One that is there is replaced as a whole; when that fails, it stays.
func WriteLayout(dir string, images []Named) error {
	if err := CheckLayout(dir); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", dir, cause(err))
	}
	defer os.RemoveAll(temp) //nolint:errcheck // what is left is hidden beside the layout
	fresh := filepath.Join(temp, "new")
	written, err := layout.Write(fresh, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return fmt.Errorf("write %s: %w", dir, cause(err))
	}
	for _, named := range images {
		name := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": named.Reference})
		if err := written.AppendIndex(named.Index, name); err != nil {
			return fmt.Errorf("write %s: %w", dir, cause(err))
		}
		for _, v := range named.Variants {
			bill, err := v.referrer()
			if err != nil {
				return err
			}
			if err := written.AppendImage(bill); err != nil {
				return fmt.Errorf("write %s: %w", dir, cause(err))
			}
		}
	}
	_ = os.Rename(dir, filepath.Join(temp, "old")) // it may not be there
	if err := os.Rename(fresh, dir); err != nil {
		_ = os.Rename(filepath.Join(temp, "old"), dir) // as it was
		return fmt.Errorf("write %s: %w", dir, cause(err))
	}
	return nil
}

// referrer is the variant's bill of materials as an artifact that names the variant as its subject.
func (v *Variant) referrer() (v1.Image, error) {
	subject, err := partial.Descriptor(v.Image)
	if err != nil {
		return nil, err
	}
	subject.Annotations = nil
	bill := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), SBOMType)
	bill, err = mutate.Append(bill, mutate.Addendum{Layer: static.NewLayer(v.SBOM, SBOMType), MediaType: SBOMType})
	if err != nil {
		return nil, err
	}
	img, ok := mutate.Subject(bill, *subject).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("attach the bill of materials for %s: an image with a subject is no image", v.Platform)
	}
	return img, nil
}
