package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pandakit/panda/internal/allornone"
)

// workspaceFile is what makes a folder a workspace.
const workspaceFile = "panda.yaml"

// Request is what someone asks for.
type Request struct {
	Dir      string // the working directory, absolute
	Path     string // the folder of the project, absolute or relative to Dir; it may exist
	Type     Type
	Name     string // of the service; "" derives it from Path
	Module   string // path of a new module; "" takes the one around Path, else derives a new one
	Language Language
	Force    bool // overwrite files that exist
	Panda    Panda
}

// Plan is what will be made, and where. Its fields are for reading; one goroutine at a time may use a Plan.
type Plan struct {
	Type      Type
	Name      string // under which the service registers, or the program's own for a command
	Shown     string // the folder as it was asked for
	Folder    string // absolute, free of symbolic links as far as it exists
	Module    string // the module's path
	ModuleDir string // the folder of its go.mod, absolute
	NewModule bool
	Workspace string  // the folder of the panda.yaml that the service joins, or ""
	Callee    *Callee // the service that it calls; nil for types that call none
	Panda     Panda   // what the module requires already, else what was asked for

	below    string // Folder relative to ModuleDir, with slashes; "" when they are the same
	language Language
	force    bool
	search   string
}

// NewPlan derives names and places, and looks at the disk for what is there. It writes nothing. What is wrong with the
// request is an *[InputError].
func NewPlan(r Request) (*Plan, error) {
	if r.Path == "" {
		return nil, inputErrorf("", "the path of the project is empty")
	}
	folder := filepath.FromSlash(r.Path)
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(r.Dir, folder)
	}
	p := &Plan{
		Type: r.Type, Name: r.Name, Shown: filepath.Clean(filepath.FromSlash(r.Path)), Panda: r.Panda,
		language: r.Language, force: r.Force,
	}
	var err error
	if p.Folder, err = realPath(filepath.Clean(folder)); err != nil {
		return nil, &InputError{Text: fmt.Sprintf("create %s: %v", p.Shown, err)}
	}
	if err := p.checkFolders(); err != nil {
		return nil, err
	}
	if err := p.choosePlace(r.Dir); err != nil {
		return nil, err
	}
	if err := p.chooseName(); err != nil {
		return nil, err
	}
	if err := p.chooseModule(r); err != nil {
		return nil, err
	}
	p.search = p.searchFolder(r)
	return p, nil
}

// realPath resolves the symbolic links of the part of a path that exists. It is an error when that part ends in a file.
func realPath(path string) (string, error) {
	missing := ""
	for at := path; ; {
		found, err := filepath.EvalSymlinks(at)
		if err == nil {
			info, err := os.Stat(found)
			if err != nil {
				return "", err
			}
			if !info.IsDir() {
				return "", fmt.Errorf("%s is not a folder", at)
			}
			return filepath.Join(found, missing), nil
		}
		if _, linked := os.Lstat(at); linked == nil || !errors.Is(err, fs.ErrNotExist) {
			return "", cause(err, at)
		}
		parent := filepath.Dir(at)
		if parent == at {
			return "", cause(err, at)
		}
		missing = filepath.Join(filepath.Base(at), missing)
		at = parent
	}
}

// cause names the path that an error is about, once, in place of what it names itself.
func cause(err error, path string) error {
	return fmt.Errorf("%s: %w", path, allornone.Cause(err))
}

// checkFolders judges the names of the folders that are to be made; those that exist are as they are.
func (p *Plan) checkFolders() error {
	for at := p.Folder; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || filepath.Dir(at) == at {
			return nil
		}
		if why := badFolder(filepath.Base(at)); why != "" {
			return inputErrorf("choose another name for the folder", "create %s: folder %q: %s", p.Shown, filepath.Base(at), why)
		}
	}
}

// choosePlace finds the workspace that the project joins. A path that leads out of the workspace that one stands in is
// an error, since what is there would not be run with it.
func (p *Plan) choosePlace(dir string) error {
	p.Workspace = nearest(p.Folder, workspaceFile)
	here, err := realPath(dir)
	if err != nil {
		return fmt.Errorf("create %s: %w", p.Shown, err)
	}
	if around := nearest(here, workspaceFile); around != "" && !inside(around, p.Folder) {
		return inputErrorf("choose a path within it, or run this elsewhere",
			"create %s: %s is outside of the workspace %s, which has a %s", p.Shown, p.Folder, around, workspaceFile)
	}
	return nil
}

func (p *Plan) chooseName() error {
	if p.Name != "" {
		if why := checkName(p.Name); why != "" {
			return inputErrorf("", "--name %q: %s", p.Name, why)
		}
		return nil
	}
	var err error
	p.Name, err = deriveName(filepath.Base(p.Folder), p.Type)
	return err
}

var anyModuleLine = regexp.MustCompile(`(?m)^module\s+(?:"([^"\n]+)"|([^"\s]+))`)

func (p *Plan) chooseModule(r Request) error {
	around := nearest(p.Folder, "go.mod")
	if r.Module != "" || around == "" {
		return p.startModule(r, around)
	}
	text, err := os.ReadFile(filepath.Join(around, "go.mod")) //nolint:gosec // of the module that is to grow
	if err != nil {
		return cause(err, around)
	}
	line := anyModuleLine.FindSubmatch(text)
	if line == nil {
		return inputErrorf("", "read %s: it has no line \"module PATH\"", filepath.Join(around, "go.mod"))
	}
	p.ModuleDir, p.Module = around, string(line[1])+string(line[2])
	if own, ok := required(text, around); ok {
		p.Panda = own
	}
	below, err := filepath.Rel(around, p.Folder)
	if err != nil {
		return err
	}
	if p.below = filepath.ToSlash(below); p.below == "." {
		p.below = ""
	}
	const do = "choose another path, or start a module of its own there with --module PATH"
	if p.Module == pandaPath {
		return inputErrorf(do, "create %s: it is in the module of panda itself", p.Shown)
	}
	if why := badImportPath(p.below); p.below != "" && why != "" {
		return inputErrorf(do, "create %s: it would be the package %s/%s, and %s", p.Shown, p.Module, p.below, why)
	}
	return nil
}

// startModule chooses the path of a new module: the one that was asked for, or the project's own path where that begins
// with a domain, else one below example.com, which is nobody's.
func (p *Plan) startModule(r Request, around string) error {
	if around == p.Folder {
		return inputErrorf("leave --module out", "--module %q: %s has a go.mod already", r.Module, p.Shown)
	}
	p.ModuleDir, p.NewModule, p.Module = p.Folder, true, r.Module
	if p.Module == "" {
		p.Module = "example.com/" + p.Name
		if isDomain(r.Path) {
			p.Module = filepath.ToSlash(filepath.Clean(r.Path))
		}
		return nil
	}
	if why := badImportPath(p.Module); why != "" {
		return inputErrorf("", "--module %q: %s", r.Module, why)
	}
	if p.Module == pandaPath {
		return inputErrorf("", "--module %q: it is panda's own", r.Module)
	}
	return nil
}

// searchFolder is where a service to call is looked for: the workspace, or the module, or the first folder of a
// relative path, as in day2/micro/rpc.web.
func (p *Plan) searchFolder(r Request) string {
	switch {
	case p.Workspace != "":
		return p.Workspace
	case !p.NewModule:
		return p.ModuleDir
	}
	first, _, several := strings.Cut(filepath.ToSlash(p.Shown), "/")
	if several && first != "" && first != ".." && !filepath.IsAbs(p.Shown) {
		if folder, err := realPath(filepath.Join(r.Dir, first)); err == nil && inside(folder, p.Folder) {
			return folder
		}
	}
	return filepath.Dir(p.Folder)
}

// SearchFolder returns the folder in and below which a service to call is looked for; "" when it does not exist, or
// when the type calls none.
func (p *Plan) SearchFolder() string {
	if info, err := os.Stat(p.search); !p.Type.calls() || err != nil || !info.IsDir() {
		return ""
	}
	return p.search
}

// Import returns the import path of the project's main package.
func (p *Plan) Import() string {
	if p.below == "" {
		return p.Module
	}
	return p.Module + "/" + p.below
}

// nearest returns the nearest folder at or above folder that has a file of that name, or "".
func nearest(folder, file string) string {
	for {
		if info, err := os.Stat(filepath.Join(folder, file)); err == nil && info.Mode().IsRegular() {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}

func inside(outer, path string) bool {
	relative, err := filepath.Rel(outer, path)
	return err == nil && filepath.IsLocal(relative)
}
