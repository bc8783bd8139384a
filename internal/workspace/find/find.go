// Package find finds the programs below a folder and tells which of them are services: main packages that
// call panda.NewService, themselves or in a package of their own module. It reads go.mod, go.work and Go
// files through the go command and the parser; it never builds, downloads or runs what it finds.
package find

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Program is a main package.
type Program struct {
	Dir    string // absolute, free of symbolic links
	Module Module
	// Service is the name under which it announces itself: what NewService is given when that is a
	// constant, else the folder's name. It is empty for a program that announces nothing.
	Service string
}

// Module is where the go command is run for a program, and how.
type Module struct {
	Dir string   // the folder of go.mod, absolute
	Env []string // to be added to the environment of the go command
}

// NoModuleError says that Go code below a folder belongs to no module.
type NoModuleError struct{ Folder string }

func (e *NoModuleError) Error() string {
	return fmt.Sprintf("find services below %s: no go.mod in it, above it or below it", e.Folder)
}

// Programs returns the main packages in folder and below it, by Dir: those of the module that the folder
// belongs to, and of each module below it. Hidden folders, testdata, vendor and node_modules below the
// folder are not looked into. environ is the environment of the go command.
//
// A module that a go.work in force does not use is taken by itself, as if there were no go.work.
func Programs(ctx context.Context, folder string, environ []string) ([]Program, error) {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, err
	}
	modules, err := modulesOf(folder)
	if err != nil {
		return nil, err
	}
	if len(modules) == 0 {
		return nil, &NoModuleError{folder}
	}
	var programs []Program
	for _, dir := range modules {
		found, err := programsOf(ctx, dir, folder, environ)
		if err != nil {
			return nil, err
		}
		programs = append(programs, found...)
	}
	slices.SortFunc(programs, func(a, b Program) int { return strings.Compare(a.Dir, b.Dir) })
	return programs, nil
}

// modulesOf returns the folder of the module around folder, if any, and of those below it.
func modulesOf(folder string) ([]string, error) {
	var modules []string
	if around := enclosing(folder); around != "" {
		modules = append(modules, around)
	}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission):
			return fs.SkipDir
		case err != nil:
			return err
		case entry.IsDir() && path != folder && skipped(entry.Name()):
			return fs.SkipDir
		case entry.Name() == "go.mod" && !entry.IsDir() && filepath.Dir(path) != folder:
			modules = append(modules, filepath.Dir(path))
		}
		return nil
	})
	return modules, err
}

// enclosing returns the nearest folder at or above folder that has a go.mod, or "".
func enclosing(folder string) string {
	for {
		if info, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil && !info.IsDir() {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}

func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") ||
		slices.Contains([]string{"testdata", "vendor", "node_modules"}, name)
}

// programsOf returns the programs of one module that lie in or below folder.
func programsOf(ctx context.Context, dir, folder string, environ []string) ([]Program, error) {
	module, err := openModule(ctx, dir, environ)
	if err != nil {
		return nil, err
	}
	packages, err := list(ctx, module, folder, environ)
	if err != nil {
		return nil, err
	}
	source := newSource(packages)
	var programs []Program
	for _, p := range packages {
		if relative, ok := below(folder, p.Dir); !ok || p.Name != "main" || passesSkipped(relative) {
			continue
		}
		programs = append(programs, Program{Dir: p.Dir, Module: module, Service: source.serviceOf(p)})
	}
	return programs, nil
}

// below returns dir relative to folder, and whether it is in it or is it.
func below(folder, dir string) (string, bool) {
	relative, err := filepath.Rel(folder, dir)
	return relative, err == nil && filepath.IsLocal(relative)
}

func passesSkipped(relative string) bool {
	return relative != "." && slices.ContainsFunc(strings.Split(relative, string(filepath.Separator)), skipped)
}
