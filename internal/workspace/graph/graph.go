// Package graph knows which files each program of a workspace is made of, as the go command says: the packages that
// it imports, as far as they lie in modules that are worked on, and what these embed. It reads, and never builds,
// downloads or watches anything.
package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Program is a main package whose files are of interest.
type Program struct {
	Name   string   // of the service
	Dir    string   // absolute, free of symbolic links
	Module string   // the folder in which the go command runs
	Env    []string // added to the environment of the go command
}

// Graph is what programs are made of. It does not change; its methods may be called from several goroutines.
type Graph struct {
	packages map[string]*folder // by folder
	modules  map[string]names   // programs that a go.mod, go.sum or go.work in the folder is about
	folders  map[string]bool    // to be watched
}

// names is a set of programs.
type names map[string]bool

// folder is a package's.
type folder struct {
	users  names
	embeds bool // it embeds files, in the folder or below it
}

// goPackage is what is asked of `go list -json` about a package.
type goPackage struct {
	Dir           string
	ImportPath    string
	Standard      bool
	Deps          []string
	EmbedPatterns []string
	EmbedFiles    []string
	Module        *goModule
}

type goModule struct {
	Main    bool
	Dir     string
	Version string
	Replace *goModule
}

// local reports whether the module is worked on here: the main one, one of go.work, or one replaced by a folder.
func (m *goModule) local() bool {
	return m != nil && m.Dir != "" && (m.Main || m.Replace != nil && m.Replace.Version == "")
}

// Read asks the go command about the programs. What does not compile or is missing is left out; the error is the go
// command's, when it says nothing at all.
func Read(ctx context.Context, programs []Program, environ []string) (*Graph, error) {
	g := &Graph{packages: make(map[string]*folder), modules: make(map[string]names), folders: make(map[string]bool)}
	type place struct{ module, env string }
	groups := make(map[place][]Program)
	for _, p := range programs {
		at := place{p.Module, strings.Join(p.Env, "\n")}
		groups[at] = append(groups[at], p)
	}
	for _, group := range groups {
		packages, err := list(ctx, group, environ)
		if err != nil {
			return nil, err
		}
		for _, p := range group {
			g.add(p, packages)
		}
	}
	return g, nil
}

// list returns the packages that the programs are made of, by import path. All programs have one module.
func list(ctx context.Context, programs []Program, environ []string) (map[string]*goPackage, error) {
	args := []string{"list", "-deps", "-e", "-json=Dir,ImportPath,Standard,Deps,EmbedPatterns,EmbedFiles,Module"}
	for _, p := range programs {
		relative, err := filepath.Rel(p.Module, p.Dir)
		if err != nil {
			return nil, fmt.Errorf("list what %s imports: %w", p.Name, err)
		}
		args = append(args, "./"+filepath.ToSlash(relative))
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Env = programs[0].Module, slices.Concat(environ, programs[0].Env)
	command.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil && stdout.Len() == 0 {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("list what %s imports: %s", programs[0].Name, strings.Join(strings.Fields(stderr.String()), " "))
	}
	packages := make(map[string]*goPackage)
	for decoder := json.NewDecoder(&stdout); ; {
		p := new(goPackage)
		err := decoder.Decode(p)
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list what %s imports: %w", programs[0].Name, err)
		}
		packages[p.ImportPath] = p
	}
}

func (g *Graph) add(program Program, packages map[string]*goPackage) {
	g.about(program.Module, program.Name)
	if work := workFolder(program); work != "" {
		g.about(work, program.Name)
	}
	var imports []string
	for _, p := range packages {
		if p.Dir == program.Dir {
			imports = slices.Concat(p.Deps, []string{p.ImportPath})
		}
	}
	for _, path := range imports {
		if p := packages[path]; p != nil && !p.Standard && p.Module.local() && !passesSkipped(p.Module.Dir, p.Dir) {
			g.addPackage(program.Name, p)
		}
	}
	if g.packages[program.Dir] == nil { // it cannot be listed; its files are what makes it so
		g.addPackage(program.Name, &goPackage{Dir: program.Dir, Module: &goModule{Dir: program.Module}})
	}
}

func (g *Graph) addPackage(name string, p *goPackage) {
	known := g.packages[p.Dir]
	if known == nil {
		known = &folder{users: make(names)}
		g.packages[p.Dir] = known
	}
	known.users[name] = true
	known.embeds = known.embeds || len(p.EmbedPatterns) > 0
	g.about(p.Module.Dir, name)
	g.watchUpTo(p.Module.Dir, p.Dir)
	for _, file := range p.EmbedFiles {
		g.watchUpTo(p.Dir, filepath.Dir(filepath.Join(p.Dir, filepath.FromSlash(file))))
	}
}

// watchUpTo adds a folder and those around it, up to root: where a folder appears that was not there before, the
// one around it tells.
func (g *Graph) watchUpTo(root, dir string) {
	for relative, err := filepath.Rel(root, dir); err == nil && filepath.IsLocal(relative); relative, err = filepath.Rel(root, dir) {
		if g.folders[dir] = true; relative == "." {
			return
		}
		dir = filepath.Dir(dir)
	}
}

func (g *Graph) about(module, name string) {
	if g.modules[module] == nil {
		g.modules[module] = make(names)
	}
	g.modules[module][name] = true
	g.folders[module] = true
}

// workFolder returns the folder of the go.work in force, if any.
func workFolder(p Program) string {
	if slices.Contains(p.Env, "GOWORK=off") {
		return ""
	}
	for dir := p.Module; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// Folders returns those that hold, or may come to hold, what the programs are made of, sorted.
func (g *Graph) Folders() []string { return slices.Sorted(maps.Keys(g.folders)) }

// Affected returns the names of the programs that a file is part of, sorted. known is false when the file is Go
// code in a folder that no program imports: one that does not compile may be waiting for it.
func (g *Graph) Affected(path string) (programs []string, known bool) {
	dir, base := filepath.Split(path)
	dir = filepath.Clean(dir)
	switch base {
	case "go.mod", "go.sum", "go.work", "go.work.sum":
		return slices.Sorted(maps.Keys(g.modules[dir])), true
	}
	affected, known := make(names), true
	if Compiled(base) {
		if p := g.packages[dir]; p != nil {
			maps.Copy(affected, p.users)
		} else {
			known = false
		}
	}
	for above := dir; ; above = filepath.Dir(above) {
		if p := g.packages[above]; p != nil && p.embeds {
			maps.Copy(affected, p.users)
		}
		if above == filepath.Dir(above) {
			return slices.Sorted(maps.Keys(affected)), known
		}
	}
}

// Compiled reports whether the go command compiles a file of that name into a program; tests are not.
func Compiled(base string) bool {
	if strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") || strings.HasSuffix(base, "_test.go") {
		return false
	}
	return slices.Contains([]string{
		".go", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".m", ".s", ".S", ".sx", ".f", ".F", ".for", ".f90", ".swig", ".swigcxx", ".syso",
	}, filepath.Ext(base))
}

// Skipped reports whether a folder of that name holds nothing that people write: hidden ones, vendor and node_modules.
func Skipped(base string) bool {
	return strings.HasPrefix(base, ".") || base == "vendor" || base == "node_modules"
}

func passesSkipped(root, dir string) bool {
	relative, err := filepath.Rel(root, dir)
	return err != nil || relative != "." && slices.ContainsFunc(strings.Split(relative, string(filepath.Separator)), Skipped)
}

// Newer returns the files in the folders, not below them, that were changed after a time.
func Newer(folders []string, since time.Time) []string {
	var files []string
	for _, dir := range folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it went away, and with it what was there
		}
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().After(since) {
				files = append(files, filepath.Join(dir, entry.Name()))
			}
		}
	}
	return files
}

// Protos returns the folders at or below roots that hold .proto files, and those between, at most limit.
func Protos(roots []string, limit int) []string {
	found := make(map[string]bool)
	for _, root := range roots {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil //nolint:nilerr // what cannot be read is not watched
			case entry.IsDir() && path != root && (Skipped(entry.Name()) || entry.Name() == "testdata"):
				return fs.SkipDir
			case len(found) >= limit:
				return fs.SkipAll
			case !entry.IsDir() && filepath.Ext(path) == ".proto":
				for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
					if found[dir] = true; dir == root || dir == filepath.Dir(dir) {
						break
					}
				}
			}
			return nil
		})
	}
	return slices.Sorted(maps.Keys(found))
}
