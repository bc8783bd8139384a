package image

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// SBOMType is the media type of a bill of materials.
const SBOMType = "application/spdx+json"

// none is what SPDX calls something that nobody has looked into.
const none = "NOASSERTION"

// document is as much of SPDX 2.3 as is written.
type document struct {
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creation       `json:"creationInfo"`
	Packages      []component    `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type component struct {
	ID         string     `json:"SPDXID"`
	Name       string     `json:"name"`
	Version    string     `json:"versionInfo,omitempty"`
	Purpose    string     `json:"primaryPackagePurpose,omitempty"`
	Download   string     `json:"downloadLocation"`
	Analyzed   bool       `json:"filesAnalyzed"`
	Source     string     `json:"sourceInfo,omitempty"`
	Concluded  string     `json:"licenseConcluded"`
	Declared   string     `json:"licenseDeclared"`
	Copyright  string     `json:"copyrightText"`
	Checksums  []checksum `json:"checksums,omitempty"`
	References []external `json:"externalRefs,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type external struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const (
	documentID = "SPDXRef-DOCUMENT"
	imageID    = "SPDXRef-Image"
)

// sbom lists what an image is made of: the modules of its program as that tells itself, Go's own library, and the
// authorities that it trusts.
func sbom(spec Spec, p Program, img v1.Image) ([]byte, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	name := spec.Name + "-" + p.Platform.file()
	doc := &document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: documentID, Name: name,
		Namespace: "https://github.com/pandakit/panda/spdx/" + url.PathEscape(name) + "-" + digest.Hex,
		Creation:  creation{spec.created().Format(time.RFC3339), []string{"Tool: panda"}},
	}
	image := newComponent(imageID, spec.Name, spec.Version)
	image.Purpose = "CONTAINER"
	image.Checksums = []checksum{{"SHA256", digest.Hex}}
	image.References = reference("oci", spec.Name, digest.String())
	doc.add(image, documentID, "DESCRIBES")
	doc.addProgram(spec, p.Path)
	doc.addModule(authoritiesModule(), imageID, "CONTAINS")
	text, err := json.MarshalIndent(doc, "", "  ")
	return append(text, '\n'), err
}

// addProgram adds the program and what it is linked of; one that is not Go's tells nothing.
func (d *document) addProgram(spec Spec, path string) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		program := newComponent("SPDXRef-Program", spec.Name, spec.Version)
		program.Purpose = "APPLICATION"
		d.add(program, imageID, "CONTAINS")
		return
	}
	root := info.Main
	if root.Path == "" {
		root.Path = info.Path
	}
	if root.Version == "" || root.Version == "(devel)" {
		root.Version = spec.Version
	}
	id := d.addModule(&root, imageID, "CONTAINS")
	goVersion := strings.TrimPrefix(strings.Fields(info.GoVersion + " ")[0], "go")
	library := newComponent("SPDXRef-Go", "stdlib", goVersion)
	library.Download = "https://go.dev/dl/"
	library.References = reference("golang", "stdlib", goVersion)
	d.add(library, id, "DEPENDS_ON")
	for _, dep := range info.Deps {
		d.addModule(dep, id, "DEPENDS_ON")
	}
}

// authoritiesModule is the one that the authorities are from, in the version that this program was built with.
func authoritiesModule() *debug.Module {
	const path = "golang.org/x/crypto/x509roots/fallback"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == path {
				return dep
			}
		}
	}
	return &debug.Module{Path: path} // a test's binary does not tell
}

func newComponent(id, name, version string) component {
	return component{
		ID: id, Name: name, Version: version, Download: none, Concluded: none, Declared: none, Copyright: none,
	}
}

func (d *document) add(c component, from, how string) {
	d.Packages = append(d.Packages, c)
	d.Relationships = append(d.Relationships, relationship{from, how, c.ID})
}

// unfit is what an identifier of SPDX has not.
var unfit = regexp.MustCompile(`[^A-Za-z0-9.-]+`) //nolint:gochecknoglobals // constant

// addModule adds a module, as it was replaced if it was, and returns its identifier.
func (d *document) addModule(m *debug.Module, from, how string) string {
	id := fmt.Sprintf("SPDXRef-Module-%d-%s", len(d.Packages), unfit.ReplaceAllString(m.Path, "-"))
	local := false
	if m.Replace != nil {
		if local = m.Replace.Version == ""; !local {
			m = m.Replace
		}
	}
	c := newComponent(id, m.Path, m.Version)
	if m.Version != "" && !local && m.Sum != "" {
		c.Download = "https://proxy.golang.org/" + escaped(m.Path) + "/@v/" + escaped(m.Version) + ".zip"
		c.Source = "go.sum: " + m.Sum
	}
	c.References = reference("golang", m.Path, m.Version)
	d.add(c, from, how)
	return id
}

// escaped is a path or version as Go's module proxies have it: no capital letters.
func escaped(path string) string {
	var text strings.Builder
	for _, r := range path {
		if r >= 'A' && r <= 'Z' {
			text.WriteByte('!')
			r += 'a' - 'A'
		}
		text.WriteRune(r)
	}
	return text.String()
}

// reference is the package URL of a component.
func reference(kind, name, version string) []external {
	locator := "pkg:" + kind + "/" + strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
	if version != "" {
		locator += "@" + url.QueryEscape(version)
	}
	return []external{{"PACKAGE-MANAGER", "purl", locator}}
}
