package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"golang.org/x/sync/errgroup"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/engine"
	oci "github.com/pandakit/panda/internal/image"
)

// destination is where images go.
type destination interface {
	// platforms are those that it is made for, when the user names none.
	platforms() []oci.Platform
	// one names it when it has room for one platform only, else it is "".
	one() string
	// take writes the images. When it fails, nothing half written is left: a registry has those before the one that it
	// has refused, the others have what they had.
	take(ctx context.Context, images []oci.Named) error
	// told is what is said of an image that it has taken; one is for a person, to for a program.
	told(image oci.Named) (line, to string)
	close()
}

// destination returns what the flags name. An engine must answer before anything is compiled.
func (m *maker) destination(ctx context.Context) (destination, error) {
	switch {
	case m.push != "":
		return &registry{oci.Registry{Keychain: authn.DefaultKeychain, PlainHTTP: m.plainHTTP}}, nil
	case m.tarball != "":
		return &tarball{shown: m.tarball, path: m.inDir(m.tarball)}, nil
	case m.layout != "":
		l := &folder{shown: m.layout, path: m.inDir(m.layout)}
		if err := l.check(oci.CheckLayout(l.path)); err != nil {
			return nil, err
		}
		return l, nil
	}
	opened, err := engine.Open(ctx, m.env.Getenv)
	if none, ok := errors.AsType[*engine.NoneError](err); ok {
		return nil, command.Advise(fmt.Errorf("image: %w", none), none.Advice()+"; or give --push, --tarball or --layout")
	}
	if err != nil {
		return nil, err
	}
	return &local{opened}, nil
}

func bothPlatforms() []oci.Platform { return []oci.Platform{{Arch: "amd64"}, {Arch: "arm64"}} }

// registry is a registry of images.
type registry struct{ oci.Registry }

func (*registry) platforms() []oci.Platform { return bothPlatforms() }
func (*registry) one() string               { return "" }
func (*registry) close()                    {}

func (r *registry) take(ctx context.Context, images []oci.Named) error {
	for _, image := range images {
		if err := r.Push(ctx, image); err != nil {
			return advise(image, err)
		}
	}
	return nil
}

// advise adds to what a registry says what there is to do.
func advise(image oci.Named, err error) error {
	refused, ok := errors.AsType[*oci.PushError](err)
	if !ok {
		return err
	}
	host, _, _ := strings.Cut(image.Reference, "/")
	switch refused.Status {
	case http.StatusUnauthorized:
		return command.Advise(err, `log in first: docker login `+host)
	case http.StatusForbidden:
		return command.Advise(err, `the user that "docker login `+host+`" has stored may not push there`)
	case http.StatusNotFound:
		return command.Advise(err, "see whether the repository's name is right, and whether it has to be created first")
	}
	if strings.Contains(refused.Reason, "without TLS") {
		return command.Advise(err, "--plain-http allows it where the network can be trusted")
	}
	return err
}

func (*registry) told(image oci.Named) (line, to string) {
	return "pushed", image.Reference
}

// tarball is a file for "docker load".
type tarball struct{ shown, path string }

func (*tarball) platforms() []oci.Platform {
	for _, p := range bothPlatforms() {
		if p.Arch == runtime.GOARCH {
			return []oci.Platform{p}
		}
	}
	return bothPlatforms()[:1]
}

func (t *tarball) one() string { return "--tarball" }
func (*tarball) close()        {}

// take writes the bills of materials first, so that the archive is the last thing to appear.
func (t *tarball) take(_ context.Context, images []oci.Named) error {
	base := strings.TrimSuffix(t.path, filepath.Ext(t.path))
	for _, image := range images {
		name := base + ".spdx.json"
		if len(images) > 1 {
			name = base + "." + image.Name + ".spdx.json"
		}
		err := oci.WriteFile(name, func(w io.Writer) error {
			_, err := w.Write(image.Variants[0].SBOM)
			return err
		})
		if err != nil {
			return err
		}
	}
	return oci.WriteFile(t.path, func(w io.Writer) error { return oci.WriteArchive(w, images) })
}

func (t *tarball) told(oci.Named) (line, to string) { return "wrote " + t.shown + ":", t.shown }

// folder is an OCI layout.
type folder struct{ shown, path string }

func (*folder) platforms() []oci.Platform { return bothPlatforms() }
func (*folder) one() string               { return "" }
func (*folder) close()                    {}

func (f *folder) take(_ context.Context, images []oci.Named) error {
	return f.check(oci.WriteLayout(f.path, images))
}

// check names the folder as the user does.
func (f *folder) check(err error) error {
	if other, ok := errors.AsType[*oci.LayoutError](err); ok {
		other.Dir = f.shown
		return command.Advise(other, "name a folder that is not there, or empty it first")
	}
	return err
}

func (f *folder) told(oci.Named) (line, to string) { return "wrote " + f.shown + ":", f.shown }

// local is a container engine.
type local struct{ *engine.Engine }

func (l *local) platforms() []oci.Platform {
	if p, err := oci.ParsePlatform("linux/" + l.About().Arch); err == nil {
		return []oci.Platform{p}
	}
	return bothPlatforms()[:1]
}

func (*local) one() string { return "the local engine" }
func (l *local) close()    { l.Close() }

// take streams an archive to the engine while it is written.
func (l *local) take(ctx context.Context, images []oci.Named) error {
	reader, writer := io.Pipe()
	var group errgroup.Group
	group.Go(func() error {
		err := oci.WriteArchive(writer, images)
		_ = writer.CloseWithError(err) // it never fails
		return err
	})
	_, err := l.Load(ctx, reader)
	_ = reader.CloseWithError(io.ErrClosedPipe) // ends the writer when the engine has not read all
	if written := group.Wait(); err == nil && !errors.Is(written, io.ErrClosedPipe) {
		err = written
	}
	return err
}

func (l *local) told(oci.Named) (line, to string) { return "loaded", l.String() }
