package scaffold

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// pandaPath is the module that projects are built on.
const pandaPath = "github.com/pandakit/panda"

// Panda is where a project gets the panda module: a released version, or a checkout on this machine, with which its
// go.mod replaces it.
type Panda struct {
	Version string // "v1.2.3"; "v0.0.0" with Dir
	Dir     string // absolute; "" for a released version
}

// FindPanda returns the panda module that this program was built from: the version that was downloaded, or else the
// checkout. override, when not "", is the folder of a checkout to take instead.
func FindPanda(override string) (Panda, error) {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	source := ""
	if pc, file, _, ok := runtime.Caller(0); ok && pc != 0 {
		source = file
	}
	return findPanda(build, source, override)
}

// findPanda is FindPanda of a build; source is where the compiler found this file.
func findPanda(build *debug.BuildInfo, source, override string) (Panda, error) {
	if override != "" {
		dir, err := filepath.Abs(override)
		if err != nil {
			return Panda{}, err
		}
		if !isCheckout(dir) {
			return Panda{}, inputErrorf("", "--panda %q: it has no go.mod of the module %s", override, pandaPath)
		}
		return Panda{"v0.0.0", dir}, nil
	}
	// What was downloaded has a checksum. A checkout may have a version too, which nobody can download.
	if main := build.Main; main.Path == pandaPath && main.Sum != "" && main.Replace == nil {
		return Panda{Version: main.Version}, nil
	}
	const do = "pass --panda DIR, the folder of a checkout of panda"
	source = filepath.FromSlash(source)
	if !filepath.IsAbs(source) {
		return Panda{}, inputErrorf(do, "find the panda module: this program is of no released version, and it was built with -trimpath, so that it does not know its checkout")
	}
	dir := filepath.Dir(filepath.Dir(filepath.Dir(source)))
	if !isCheckout(dir) {
		return Panda{}, inputErrorf(do, "find the panda module: the checkout that this program was built from, %s, is there no more", dir)
	}
	return Panda{"v0.0.0", dir}, nil
}

var moduleLine = regexp.MustCompile(`(?m)^module\s+"?` + regexp.QuoteMeta(pandaPath) + `"?\s*(//.*)?$`)

func isCheckout(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // the folder is the user's choice
	return err == nil && moduleLine.Match(text)
}

var (
	requireLine = regexp.MustCompile(`(?m)^\s*(?:require\s+)?` + regexp.QuoteMeta(pandaPath) + `\s+(v\S+)`)
	replaceLine = regexp.MustCompile(`(?m)^\s*(?:replace\s+)?` + regexp.QuoteMeta(pandaPath) + `(?:\s+v\S+)?\s+=>\s+(?:"([^"\n]+)"|(\S+))(\s+v\S+)?`)
)

// required returns the panda module that the go.mod of a folder requires already, if it does.
func required(mod []byte, dir string) (Panda, bool) {
	line := requireLine.FindSubmatch(mod)
	if line == nil {
		return Panda{}, false
	}
	p := Panda{Version: string(line[1])}
	if replaced := replaceLine.FindSubmatch(mod); len(replaced) == 4 && len(replaced[3]) == 0 {
		p.Dir = filepath.FromSlash(string(replaced[1]) + string(replaced[2]))
		if !filepath.IsAbs(p.Dir) {
			p.Dir = filepath.Join(dir, p.Dir)
		}
	}
	return p, true
}

// String tells people where the module is taken from.
func (p Panda) String() string {
	if p.Dir != "" {
		return "the checkout " + p.Dir
	}
	return strings.TrimSpace(fmt.Sprintf("version %s", p.Version))
}
