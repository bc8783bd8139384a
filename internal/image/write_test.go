package image_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pandakit/panda/internal/image"
)

func TestArchiveIsReadByOthers(t *testing.T) {
	t.Parallel()
	one := first(t)
	images := []image.Named{{Image: one, Reference: "hello:1.2.0"}, {Image: one, Reference: "registry.example.com/shop/web:1"}}
	var a, b bytes.Buffer
	if err := errors.Join(image.WriteArchive(&a, images), image.WriteArchive(&b, images)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same images make two archives")
	}
	for _, named := range images {
		tag, err := name.NewTag(named.Reference)
		if err != nil {
			t.Fatal(err)
		}
		read, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(a.Bytes())), nil }, &tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(read); err != nil {
			t.Error(err)
		}
		got, err := read.ConfigName()
		want, wantErr := named.Variants[0].Image.ConfigName()
		if err != nil || wantErr != nil || got != want {
			t.Errorf("%s is %s, %v, want %s, %v", named.Reference, got, err, want, wantErr)
		}
	}
	if size, program := int64(a.Len()), one.Variants[0].Content; size > program {
		t.Errorf("two images of one program take %d bytes compressed, and one %d as it is", size, program)
	}
}

func TestArchiveHasRoomForOnePlatform(t *testing.T) {
	t.Parallel()
	packed := image.Named{Image: &image.Image{Variants: make([]image.Variant, 2)}, Reference: "hello:1"}
	err := image.WriteArchive(io.Discard, []image.Named{packed})
	if err == nil || err.Error() != "write hello:1: an archive has room for one platform, not for 2" {
		t.Errorf("WriteArchive = %v", err)
	}
}

func TestLayoutIsReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	packed := shared(t)
	dir := filepath.Join(t.TempDir(), "layout")
	want, err := packed.Index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{"hello:1", "hello:2"} {
		if err := image.WriteLayout(dir, []image.Named{{Image: packed, Reference: reference}}); err != nil {
			t.Fatal(err)
		}
		index, err := layout.ImageIndexFromPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(index); err != nil {
			t.Error(err)
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		if len(manifest.Manifests) != 3 || manifest.Manifests[0].Digest != want || manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != reference {
			t.Errorf("the layout has %+v", manifest.Manifests)
		}
		for at, bill := range manifest.Manifests[1:] {
			checkReferrer(t, index, bill, packed.Variants[at])
		}
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the layout there is %v, %v", left, err)
	}
}

// checkReferrer wants a bill of materials that names its image.
func checkReferrer(t *testing.T, index v1.ImageIndex, bill v1.Descriptor, of image.Variant) {
	t.Helper()
	img, err := index.Image(bill.Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	want, err := of.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Subject == nil || manifest.Subject.Digest != want || manifest.Config.MediaType != image.SBOMType {
		t.Errorf("the bill of materials of %s is %+v", of.Platform, manifest)
	}
}

func TestLayoutLeavesOtherFoldersAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := image.CheckLayout(dir); err != nil {
		t.Errorf("an empty folder is refused: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "letter.txt")} {
		err := image.WriteLayout(path, nil)
		if _, ok := errors.AsType[*image.LayoutError](err); !ok || err.Error() != "write "+path+": it is there and is no OCI layout" {
			t.Errorf("WriteLayout = %v, want a *LayoutError", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "letter.txt")); err != nil {
		t.Error(err)
	}
	missing := filepath.Join(dir, "none", "layout")
	if err := image.WriteLayout(missing, nil); err == nil || !strings.HasPrefix(err.Error(), "write "+missing+": ") {
		t.Errorf("WriteLayout = %v", err)
	}
}

func TestWriteFileKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out.tar")
	write := func(text string, err error) error {
		return image.WriteFile(path, func(w io.Writer) error {
			_, writeErr := io.WriteString(w, text)
			return errors.Join(writeErr, err)
		})
	}
	if err := write("first", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is full")
	if err := write("half", broken); !errors.Is(err, broken) {
		t.Errorf("WriteFile = %v, want %v", err, broken)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "first" {
		t.Errorf("the file has %q, %v, want what was there", text, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the file there is %v, %v", left, err)
	}
	err = image.WriteFile(filepath.Join(path, "x"), func(io.Writer) error { return nil })
	if err == nil || !strings.HasPrefix(err.Error(), "write "+filepath.Join(path, "x")+": ") || strings.Count(err.Error(), path) != 1 {
		t.Errorf("WriteFile = %v, want the path once", err)
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	dir := module(t, map[string]string{
		"lib/go.mod": "module example.com/lib\n\ngo 1.26\n", "lib/lib.go": "package lib\n",
		"shop/go.mod":            "module example.com/shop\n\ngo 1.26\n\nrequire example.com/lib v0.0.0\n\nreplace example.com/lib => ../lib\n",
		"shop/cmd/hello/main.go": "package main\n\nimport _ \"example.com/lib\"\n\nfunc main() {}\n",
		"go.work":                "go 1.26\n\nuse ./shop\n",
	})
	goTools := tools(t)
	source := image.Source{Name: "hello", Dir: filepath.Join(dir, "shop", "cmd", "hello"), Module: filepath.Join(dir, "shop")}
	for env, want := range map[string]string{"GOWORK=off": dir, "GOWORK=": dir} {
		source.Env = []string{env}
		if got, err := goTools.BuildContext(t.Context(), source); err != nil || got != want {
			t.Errorf("with %s the context is %s, %v, want %s", env, got, err, want)
		}
	}
	alone := small(t)
	if got, err := goTools.BuildContext(t.Context(), image.Source{Name: "hello", Dir: alone, Module: alone}); err != nil || got != alone {
		t.Errorf("the context of a module alone is %s, %v, want its folder", got, err)
	}
	s := spec()
	s.Args = []string{"serve"}
	text, err := goTools.Dockerfile(t.Context(), s, source)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"WORKDIR /src/shop\n", " -o /program/hello ./cmd/hello\n", "\nEXPOSE 8080/tcp\n", "\nVOLUME [\"/data\"]\n", "\nCMD [\"serve\"]\n",
		"\nUSER 65532:65532\n", "\nENV PATH=/usr/local/bin PANDA_ADDR=:8080\n", "\nSTOPSIGNAL SIGTERM\n",
		"\nHEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=3 CMD [\"/usr/libexec/panda-health\"]\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the Dockerfile has no line %q:\n%s", line, text)
		}
	}
	if slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, "#") }) {
		t.Errorf("the Dockerfile has a line that a builder may take for a frontend to pull:\n%s", text)
	}
}
