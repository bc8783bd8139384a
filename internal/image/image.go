// Package image makes OCI images of Go programs without a container engine: it compiles a main package into static
// binaries for Linux, puts each on a few layers with what a program needs of a system, and writes the result to a
// registry, into a folder or as an archive for "docker load".
//
// The same source, version and Go release give the same bytes: nothing in an image tells when, where or by whom it was
// made. It looks for no services, runs nothing that it has built, and never pulls a base image.
package image

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// User is the one that programs run as, in the form that image configurations have.
const User = "65532:65532"

// ServiceLabel is the label by which containers of a service are found.
const ServiceLabel = "dev.panda.service"

// Spec is what an image says of its program, the same for all platforms.
type Spec struct {
	Name     string    // of the service
	Program  string    // file name of the program in /usr/local/bin; the service's name when it is ""
	Version  string    // "" when it has none
	Revision string    // of the source; "" when it is not known
	Source   string    // where the source is, as a URL; "" when it is not known
	Created  time.Time // the zero time is the beginning of 1970
	Env      []string  // NAME=value
	Args     []string  // of the program, which whoever runs the image may replace
	Ports    []string  // as 8080/tcp
	Volumes  []string  // absolute paths of folders that the program may write to
	Health   []string  // command that asks the program whether it is well; none: nobody asks
}

// Program is an executable for one platform.
type Program struct {
	Platform Platform
	Path     string
	Health   string // executable that is put at [HealthPath]; "" for none
}

// Image is one program, packed for some platforms. Its layers are files in the folder that [Pack] was given.
type Image struct {
	Spec

	Variants []Variant // by platform, in the order of the programs
	Index    v1.ImageIndex
}

// Variant is an image for one platform.
type Variant struct {
	Platform Platform
	Image    v1.Image
	Program  int64  // bytes of the executable
	Content  int64  // bytes of all layers, not compressed
	SBOM     []byte // SPDX 2.3, JSON
}

// Pack puts programs into one image, with layers in the folder temp, which the caller removes when the image is no
// longer used. zones is the zoneinfo.zip of a Go release, or "" for an image without time zones. A program that could not
// run in the image is a *[ProgramError].
func Pack(ctx context.Context, spec Spec, programs []Program, zones, temp string) (*Image, error) {
	root, err := rootLayer(filepath.Join(temp, "root.tar.gz"), zones)
	if err != nil {
		return nil, err
	}
	packed := &Image{Spec: spec, Index: mutate.IndexMediaType(empty.Index, types.OCIImageIndex)}
	for _, p := range programs {
		variant, err := packOne(ctx, spec, p, root, temp)
		if err != nil {
			return nil, err
		}
		packed.Variants = append(packed.Variants, *variant)
		packed.Index = mutate.AppendManifests(packed.Index, mutate.IndexAddendum{
			Add: variant.Image, Descriptor: v1.Descriptor{Platform: p.Platform.descriptor()},
		})
	}
	index, ok := mutate.Annotations(packed.Index, spec.labels()).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("pack %s: an index with annotations is no index", spec.Name)
	}
	packed.Index = index
	return packed, nil
}

func packOne(ctx context.Context, spec Spec, p Program, root *layer, temp string) (*Variant, error) {
	if err := checkProgram(p); err != nil {
		return nil, err
	}
	layers := []*layer{root}
	add := func(what string, fill func(*archive) error) error {
		l, err := writeLayer(filepath.Join(temp, what+"-"+p.Platform.file()+".tar.gz"), what, fill)
		layers = append(layers, l)
		return err
	}
	if p.Health != "" {
		if err := add("health check", func(a *archive) error { return a.executable(ctx, HealthPath, p.Health) }); err != nil {
			return nil, err
		}
	}
	if len(spec.Volumes) > 0 {
		if err := add("data folders", func(a *archive) error { return a.owned(spec.Volumes) }); err != nil {
			return nil, err
		}
	}
	if err := add("program", func(a *archive) error { return a.executable(ctx, spec.path(), p.Path) }); err != nil {
		return nil, err
	}
	img, err := assemble(spec, p.Platform, layers)
	if err != nil {
		return nil, fmt.Errorf("pack %s for %s: %w", spec.Name, p.Platform, err)
	}
	variant := &Variant{Platform: p.Platform, Image: img, Program: layers[len(layers)-1].largest}
	for _, l := range layers {
		variant.Content += l.content
	}
	variant.SBOM, err = sbom(spec, p, img)
	return variant, err
}

// assemble makes an image of layers and of what the specification says.
func assemble(spec Spec, platform Platform, layers []*layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: spec.created()}
	for _, l := range layers {
		var err error
		img, err = mutate.Append(img, mutate.Addendum{
			Layer: l, MediaType: types.OCILayer, History: v1.History{Created: created, CreatedBy: "panda image", Comment: l.what},
		})
		if err != nil {
			return nil, err
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Created, file.OS, file.Architecture, file.Variant = created, "linux", platform.Arch, platform.Variant
	file.Config = spec.config()
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		return nil, err
	}
	annotated, ok := mutate.Annotations(img, spec.labels()).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("an image with annotations is no image")
	}
	return annotated, nil
}
