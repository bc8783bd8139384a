package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pandakit/panda/internal/image"
)

const budget = 2 << 20 // bytes that an image may have beyond its program

var both = []image.Platform{{Arch: "amd64"}, {Arch: "arm64"}} //nolint:gochecknoglobals // constant

// tools is the go command, which gets nothing over the network.
func tools(t *testing.T) *image.Toolchain {
	t.Helper()
	path, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	return &image.Toolchain{Go: path, Environ: append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")}
}

// module writes a module with files and returns its folder.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func small(t *testing.T) string {
	t.Helper()
	return module(t, map[string]string{
		"go.mod": "module github.com/acme/shop\n\ngo 1.26\n", "cmd/hello/main.go": "package main\n\nfunc main() { println(\"hello\") }\n",
	})
}

func spec() image.Spec {
	return image.Spec{
		Name: "hello", Version: "1.2.0", Revision: "0123456789abcdef", Source: "https://github.com/acme/shop",
		Env: []string{"PANDA_ADDR=:8080"}, Ports: []string{"8080/tcp"}, Volumes: []string{"/data"}, Health: []string{image.HealthPath},
	}
}

// pack compiles the program in a module's folder and packs it.
func pack(t *testing.T, dir string, s image.Spec, platforms ...image.Platform) *image.Image {
	t.Helper()
	return packIn(t, t.TempDir(), dir, s, platforms...)
}

func packIn(t *testing.T, temp, dir string, s image.Spec, platforms ...image.Platform) *image.Image {
	t.Helper()
	goTools := tools(t)
	zones, err := goTools.Zones(t.Context(), dir)
	if err != nil || zones == "" {
		t.Fatal(zones, err)
	}
	var programs []image.Program
	for _, p := range platforms {
		program := image.Program{Platform: p, Path: filepath.Join(temp, "hello-"+p.Arch), Health: filepath.Join(temp, "health-"+p.Arch)}
		source := image.Source{Name: "hello", Dir: filepath.Join(dir, "cmd", "hello"), Module: dir}
		if err := goTools.Compile(t.Context(), source, p, program.Path); err != nil {
			t.Fatal(err)
		}
		if err := goTools.CompileHealth(t.Context(), p, program.Health); err != nil {
			t.Fatal(err)
		}
		programs = append(programs, program)
	}
	packed, err := image.Pack(t.Context(), s, programs, zones, temp)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// entries reads all layers of an image, the last to name a path having its say.
func entries(t *testing.T, img v1.Image) (headers map[string]*tar.Header, contents map[string]string) {
	t.Helper()
	headers, contents = make(map[string]*tar.Header), make(map[string]string)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		reader, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		archive := tar.NewReader(reader)
		for {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			headers[h.Name], contents[h.Name] = h, string(content)
		}
		_ = reader.Close()
	}
	return headers, contents
}

func TestPackGivesTheSameInTwoFolders(t *testing.T) {
	t.Parallel()
	one, two := shared(t), pack(t, small(t), spec(), both...)
	digest, err := one.Index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := two.Index.Digest(); err != nil || digest != other {
		t.Errorf("two folders give %s and %s, %v", digest, other, err)
	}
	if err := validate.Index(one.Index); err != nil {
		t.Error(err)
	}
	for at := range one.Variants {
		if !bytes.Equal(one.Variants[at].SBOM, two.Variants[at].SBOM) {
			t.Errorf("the bills of materials differ:\n%s\n%s", one.Variants[at].SBOM, two.Variants[at].SBOM)
		}
	}
}

func TestImageHasWhatAProgramNeeds(t *testing.T) {
	t.Parallel()
	packed := shared(t)
	for _, v := range packed.Variants {
		if extra := v.Content - v.Program; extra > budget {
			t.Errorf("the image for %s has %d bytes beyond its program, want %d at most", v.Platform, extra, budget)
		}
		headers, contents := entries(t, v.Image)
		for name, want := range map[string]struct {
			mode int64
			uid  int
		}{
			"tmp/": {0o1777, 0}, "data/": {0o700, 65532}, "usr/local/bin/hello": {0o555, 0},
			"usr/libexec/panda-health": {0o555, 0}, "etc/passwd": {0o444, 0}, "usr/share/zoneinfo/Asia/Shanghai": {0o444, 0}, "usr/share/zoneinfo/Europe/Berlin": {0o444, 0},
			"etc/ssl/certs/ca-certificates.crt": {0o444, 0}, "etc/nsswitch.conf": {0o444, 0}, "etc/group": {0o444, 0},
		} {
			h := headers[name]
			if h == nil || h.Mode != want.mode || h.Uid != want.uid || h.Gid != want.uid {
				t.Errorf("%s in the image for %s is %+v, want mode %o of user %d", name, v.Platform, h, want.mode, want.uid)
			}
		}
		for name, h := range headers {
			if h.ModTime.Unix() != 0 || h.Uname != "" || h.Gname != "" {
				t.Errorf("%s tells of this machine: %+v", name, h)
			}
			if h.Typeflag == tar.TypeLink && headers[h.Linkname] == nil {
				t.Errorf("%s is a link to %s, which is not there", name, h.Linkname)
			}
			if parent := filepath.ToSlash(filepath.Dir(strings.TrimSuffix(name, "/"))); parent != "." && headers[parent+"/"] == nil {
				t.Errorf("%s has no entry for its folder", name)
			}
		}
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(contents["etc/ssl/certs/ca-certificates.crt"])) {
			t.Error("the image has no authorities")
		}
		zone := "usr/share/zoneinfo/Asia/Shanghai"
		if link := headers[zone].Linkname; link != "" {
			zone = link
		}
		if !strings.HasPrefix(contents[zone], "TZif") {
			t.Error("Asia/Shanghai is no time zone")
		}
	}
}

func TestImageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	packed := shared(t)
	file, err := packed.Variants[0].Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(file.Config)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Healthcheck":{"Test":["CMD","/usr/libexec/panda-health"],"Interval":5000000000,"Timeout":3000000000,` +
		`"StartPeriod":5000000000,"Retries":3},"Entrypoint":["/usr/local/bin/hello"],"Env":["PATH=/usr/local/bin","PANDA_ADDR=:8080"],` +
		`"Labels":{"dev.panda.service":"hello","org.opencontainers.image.revision":"0123456789abcdef",` +
		`"org.opencontainers.image.source":"https://github.com/acme/shop","org.opencontainers.image.title":"hello",` +
		`"org.opencontainers.image.version":"1.2.0"},"User":"65532:65532","Volumes":{"/data":{}},"WorkingDir":"/",` +
		`"ExposedPorts":{"8080/tcp":{}},"StopSignal":"SIGTERM"}`
	if string(got) != want {
		t.Errorf("the configuration is\n%s\nwant\n%s", got, want)
	}
	if file.Created.Unix() != 0 || file.OS != "linux" || file.Architecture != "amd64" || len(file.History) != 4 {
		t.Errorf("the image was made %v for %s/%s in %d steps", file.Created, file.OS, file.Architecture, len(file.History))
	}
}

// billed is what a test reads of a bill of materials.
type billed struct {
	Packages []struct {
		SPDXID, Name, VersionInfo string
		ExternalRefs              []struct{ ReferenceLocator string }
	}
	Relationships []struct{ SpdxElementID, RelationshipType, RelatedSpdxElement string }
}

func TestBillOfMaterialsNamesModules(t *testing.T) {
	t.Parallel()
	packed := shared(t)
	var bill billed
	if err := json.Unmarshal(packed.Variants[0].SBOM, &bill); err != nil {
		t.Fatal(err)
	}
	ids, names := map[string]bool{"SPDXRef-DOCUMENT": true}, map[string]string{}
	for _, p := range bill.Packages {
		if ids[p.SPDXID] || !regexp.MustCompile(`^SPDXRef-[a-zA-Z0-9.-]+$`).MatchString(p.SPDXID) {
			t.Errorf("identifier %q is there twice, or none", p.SPDXID)
		}
		ids[p.SPDXID], names[p.Name] = true, p.VersionInfo
	}
	for _, r := range bill.Relationships {
		if !ids[r.SpdxElementID] || !ids[r.RelatedSpdxElement] {
			t.Errorf("%+v is of something that is not there", r)
		}
	}
	for name, version := range map[string]string{"hello": "1.2.0", "github.com/acme/shop": "1.2.0", "golang.org/x/crypto/x509roots/fallback": names["golang.org/x/crypto/x509roots/fallback"]} {
		if got, ok := names[name]; !ok || got != version {
			t.Errorf("%s is there %v in version %q, want %q", name, ok, got, version)
		}
	}
	if !strings.HasPrefix(names["stdlib"], "1.") {
		t.Errorf("Go's library has version %q", names["stdlib"])
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	dir := module(t, map[string]string{
		"go.mod":            "module example.com/shop\n\ngo 1.26\n",
		"broken/main.go":    "package main\n\nfunc main() { missing() }\n",
		"cgo/main.go":       "package main\n\nimport \"C\"\n\nfunc main() {}\n",
		"library/lib.go":    "package library\n\nfunc F() {}\n",
		"working/main.go":   "package main\n\nfunc main() {}\n",
		"ldflags/main.go":   "package main\n\nvar version string\n\nfunc main() { println(version) }\n",
		"unresolved/dep.go": "package main\n\nimport _ \"example.com/other\"\n\nfunc main() {}\n",
	})
	compile := func(name string, environ ...string) (string, error) {
		goTools, output := tools(t), filepath.Join(t.TempDir(), "out")
		goTools.Environ = append(goTools.Environ, environ...)
		return output, goTools.Compile(t.Context(), image.Source{Name: name, Dir: filepath.Join(dir, name), Module: dir}, both[0], output)
	}
	for name, want := range map[string]string{
		"broken":     "broken does not compile:\nbroken/main.go:3:15: undefined: missing",
		"cgo":        "cgo does not compile:\npackage example.com/shop/cgo: build constraints exclude all Go files in ",
		"unresolved": `unresolved does not compile:` + "\n" + `unresolved/dep.go:3:8: no required module provides package example.com/other`,
	} {
		output, err := compile(name)
		if _, ok := errors.AsType[*image.CompileError](err); !ok || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("compile %s: %v, want a *CompileError that begins with %q", name, err, want)
		}
		if _, err := os.Stat(output); err == nil {
			t.Errorf("compile %s has left a file", name)
		}
	}
	if output, err := compile("library"); err != nil {
		t.Error(err)
	} else if _, err := image.PlatformOf(output); err == nil || !strings.HasSuffix(err.Error(), "it is not an executable for Linux") {
		t.Errorf("a library is %v, want it refused", err)
	}
	if output, err := compile("working", "GOFLAGS=-buildmode=pie"); err != nil {
		t.Error(err)
	} else if _, err := image.PlatformOf(output); err == nil || !strings.Contains(err.Error(), "linked dynamically") {
		t.Errorf("a program that needs a loader is %v, want it refused", err)
	}
	output, err := compile("ldflags", "GOFLAGS=-ldflags=-X=main.version=of-the-user")
	if text, readErr := os.ReadFile(output); err != nil || readErr != nil || !bytes.Contains(text, []byte("of-the-user")) {
		t.Errorf("GOFLAGS of the user are not in force: %v, %v", err, readErr)
	}
}

func TestCompileStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := small(t)
	source := image.Source{Name: "hello", Dir: filepath.Join(dir, "cmd", "hello"), Module: dir}
	if err := tools(t).Compile(ctx, source, both[0], filepath.Join(t.TempDir(), "out")); !errors.Is(err, context.Canceled) {
		t.Errorf("Compile = %v, want context.Canceled", err)
	}
}

func TestNotesNameWhatMakesAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := small(t)
	for environ, want := range map[string][]string{
		"GOFLAGS=":                         nil,
		"GOFLAGS=-mod=mod -buildvcs=false": nil,
		"GOFLAGS=-tags=prod -trimpath":     {"GOFLAGS=-tags=prod"},
		"GOAMD64=v3":                       {"GOAMD64=v3"},
	} {
		goTools := tools(t)
		goTools.Environ = append(goTools.Environ, "GOARCH=amd64", environ)
		got, err := goTools.Notes(t.Context(), image.Source{Name: "hello", Module: dir})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Notes with %s = %q, %v, want %q", environ, got, err, want)
		}
	}
}
