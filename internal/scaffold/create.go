package scaffold

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/allornone"
)

// Tools is what creating a project runs.
type Tools struct {
	Go      string   // the path of the go command
	Environ []string // its environment

	// Generate writes the Go code of the .proto files below root, a folder of the module relative to it with slashes.
	// Plugins are the tools of the module's go.mod; they are started with the environment that is given.
	Generate func(ctx context.Context, module, root string, environ []string) error

	// Progress, if not nil, is told what is done next, when it may take more than a second.
	Progress func(text string)
}

// Result is what has been written.
type Result struct {
	Files   []string // of the project, relative to its folder, with slashes, sorted
	Changed []string // absolute paths of files outside of it: go.mod, go.sum, panda.yaml
	Notes   []string // what its owner should know, a sentence each
}

// Create makes the project: in memory, then in a temporary folder, where it is generated, compiled and vetted, then in
// place. When it returns an error, also that of ctx, nothing is left of it: folders that it made are gone, files that
// it replaced are as they were. An error that wraps [allornone.ErrExists] names files that stand in the way.
func (p *Plan) Create(ctx context.Context, tools Tools) (*Result, error) {
	files, err := p.Render()
	if err != nil {
		return nil, err
	}
	if err := p.checkFree(files); err != nil {
		return nil, err
	}
	joined, err := p.join()
	if err != nil {
		return nil, err
	}
	t, err := begin(p.Folder)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", p.Shown, err)
	}
	defer t.Undo()
	made, outside, err := p.try(ctx, tools, files)
	if err != nil {
		return nil, err
	}
	if err := p.checkFree(made); err != nil {
		return nil, err
	}
	tidy := p.isTidy(ctx, tools)
	outside = append(outside, joined...)
	if err := t.write(made, outside); err != nil {
		return nil, fmt.Errorf("create %s: %w", p.Shown, err)
	}
	if tidy {
		p.tidy(ctx, tools)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	t.Keep()
	result := &Result{Notes: p.notes()}
	for _, f := range made {
		result.Files = append(result.Files, f.Path)
	}
	for _, f := range outside {
		result.Changed = append(result.Changed, f.Path)
	}
	return result, nil
}

// checkFree makes sure that no file of another content stands in the way, unless it may be overwritten.
func (p *Plan) checkFree(files []File) error {
	var all []allornone.File
	for _, f := range files {
		all = append(all, allornone.File(f))
	}
	if err := allornone.CheckFree(allornone.Anywhere{}, p.Folder, all, p.force); err != nil {
		return fmt.Errorf("create %s: %w", p.Shown, err)
	}
	return nil
}

// join is what panda.yaml will be, if the project joins a workspace.
func (p *Plan) join() ([]File, error) {
	if p.Workspace == "" || !p.Type.runs() {
		return nil, nil
	}
	name := filepath.Join(p.Workspace, workspaceFile)
	text, err := os.ReadFile(name) //nolint:gosec // of the workspace
	if err != nil {
		return nil, cause(err, name)
	}
	relative, err := filepath.Rel(p.Workspace, p.Folder)
	if err != nil {
		return nil, err
	}
	path := "./" + filepath.ToSlash(relative)
	if relative == "." {
		path = "."
	}
	joined, err := AddService(text, p.Name, path)
	if err != nil {
		return nil, &InputError{Text: fmt.Sprintf("join %s%v", name, err), Do: "choose another name with --name, or mend the file"}
	}
	if bytes.Equal(joined, text) {
		return nil, nil
	}
	return []File{{name, joined}}, nil
}

// notes are what does not follow from what was asked for.
func (p *Plan) notes() []string {
	var notes []string
	if p.Callee != nil && p.Callee.Dir == "" {
		notes = append(notes, fmt.Sprintf("there is no service %q here yet; it is taken to be one that panda new --type srv makes", p.Callee.Name))
	}
	if work := nearest(p.ModuleDir, "go.work"); p.NewModule && work != "" {
		notes = append(notes, fmt.Sprintf("the go.work in %s does not use the new module; panda runs it all the same, the go command wants: go work use %s", work, p.Folder))
	}
	if vendored := filepath.Join(p.ModuleDir, "vendor", "modules.txt"); !p.NewModule && isFile(vendored) {
		notes = append(notes, "the module has a folder vendor; bring it up to date with: go mod vendor")
	}
	return notes
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// collect reads all files below a folder, sorted by path.
func collect(dir string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(at) //nolint:gosec // of our own temporary folder
		files = append(files, File{filepath.ToSlash(relative), content})
		return err
	})
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, err
}
