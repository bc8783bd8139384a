package gen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/generate"
	"github.com/pandakit/panda/internal/workspace/config"
)

// Project is the .proto files of one module, or of the folder of a panda.yaml that says their roots, and what
// panda.yaml says of them.
type Project struct {
	Source *protobuild.Source
	Config *config.Proto // never nil
	File   *config.File  // that Config is from; nil when there is none

	only     []string // the files that were asked for; nil for all
	rootless bool     // neither a go.mod nor a panda.yaml says where the names of files begin
}

// Projects finds the .proto files at and below the paths, folders or single files, relative to env.Dir. Each module
// is a project of its own; its settings are those of the nearest panda.yaml with a key proto, in its folder or above.
// A path within a module gives the module's project, restricted to what is below the path.
//
// The error is a usage error for paths that are not there, a *[config.Error] for panda.yaml, and a
// *[protobuild.NoFilesError] when there is no .proto file at all.
func Projects(env *command.Env, paths ...string) ([]*Project, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	f := &finder{env: env}
	for _, path := range paths {
		if err := f.path(path); err != nil {
			return nil, err
		}
	}
	return f.projects, nil
}

// finder gathers projects; one that several paths lead to is there once.
type finder struct {
	env      *command.Env
	projects []*Project
}

func (f *finder) path(path string) error {
	trimmed, _ := strings.CutSuffix(filepath.ToSlash(path), "/...")
	at := absolute(f.env, filepath.FromSlash(trimmed))
	info, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return command.Usagef("%s: there is no such file or folder", path)
	case err != nil:
		return command.Usagef("%s: %w", path, err)
	case !info.IsDir() && filepath.Ext(at) != ".proto":
		return command.Usagef("%s is no folder and no .proto file", path)
	}
	folder := at
	if !info.IsDir() {
		folder = filepath.Dir(at)
	}
	return f.below(at, folder)
}

// below adds the projects that at, a folder or a file in folder, leads to.
func (f *finder) below(at, folder string) error {
	settings, err := settingsAbove(f.env, folder)
	if err != nil {
		return err
	}
	if settings.proto != nil && len(settings.proto.Roots) > 0 {
		return f.add(settings.dir, at, settings)
	}
	base := moduleAbove(folder)
	if base == "" {
		base = folder
		if settings.proto != nil {
			base = settings.dir
		}
	}
	if at != folder {
		return f.add(base, at, settings)
	}
	dirs, err := protobuild.Modules(folder)
	if err != nil {
		return err
	}
	if len(dirs) == 0 {
		return &protobuild.NoFilesError{Dir: folder}
	}
	for _, dir := range dirs {
		if dir == folder {
			err = f.add(base, at, settings)
		} else if settings, err = settingsAbove(f.env, dir); err == nil {
			err = f.add(dir, dir, settings)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add finds the files of a folder, and restricts them to those at or below a path.
func (f *finder) add(dir, at string, s settings) error {
	found, err := protobuild.Find(dir, s.find(dir))
	if err != nil {
		return s.explain(err)
	}
	var only []string
	if at != dir {
		for _, name := range found.Files {
			file := filepath.Join(dir, filepath.FromSlash(found.Path(name)))
			if file == at || strings.HasPrefix(file, at+string(filepath.Separator)) {
				only = append(only, name)
			}
		}
		if len(only) == 0 {
			return command.Usagef("%s: it is not among the .proto files of %s: their roots or exclude in %s leave it out, or its folder is skipped",
				Shown(f.env, at), Shown(f.env, dir), config.Name)
		}
	}
	for _, p := range f.projects {
		if p.Source.Dir == dir {
			if p.only != nil && only != nil {
				p.only = slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.only, only))))
			} else {
				p.only = nil
			}
			return nil
		}
	}
	p := &Project{Source: found, Config: s.proto, File: s.file, only: only, rootless: s.proto == nil && moduleAbove(dir) == ""}
	if p.Config == nil {
		p.Config = &config.Proto{}
	}
	f.projects = append(f.projects, p)
	return nil
}

// settings are those of a panda.yaml; its fields are nil when no file has the key proto.
type settings struct {
	dir   string
	file  *config.File
	proto *config.Proto
}

// settingsAbove reads the nearest panda.yaml with a key proto, in folder or above.
func settingsAbove(env *command.Env, folder string) (settings, error) {
	for {
		file, err := config.Read(folder, Shown(env, folder))
		switch {
		case err == nil && file.Proto != nil:
			return settings{folder, file, file.Proto}, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			if _, ok := errors.AsType[*config.Error](err); ok {
				err = command.Usage(err)
			}
			return settings{}, err
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return settings{}, nil
		}
		folder = parent
	}
}

// find returns what to tell protobuild of a folder; patterns are made relative to it where it is below that of
// panda.yaml.
func (s settings) find(dir string) protobuild.Settings {
	var result protobuild.Settings
	if s.proto == nil {
		return result
	}
	prefix := ""
	if relative, err := filepath.Rel(s.dir, dir); err == nil && relative != "." {
		prefix = filepath.ToSlash(relative) + "/"
	}
	for _, root := range s.proto.Roots {
		result.Roots = append(result.Roots, root.Name)
	}
	for _, pattern := range s.proto.Exclude {
		if rest, ok := strings.CutPrefix(pattern.Name, prefix); ok {
			result.Exclude = append(result.Exclude, rest)
		}
	}
	return result
}

// explain gives an error about a root the place in panda.yaml where the root is written.
func (s settings) explain(err error) error {
	if s.proto == nil || len(s.proto.Roots) == 0 {
		return err
	}
	for _, root := range s.proto.Roots {
		if strings.HasPrefix(err.Error(), fmt.Sprintf("root %q", root.Name)) {
			return command.Usage(s.file.Errorf(root.Pos, "%v", err))
		}
	}
	return err
}

// moduleAbove returns the nearest folder with a go.mod, at or above folder; "" when there is none.
func moduleAbove(folder string) string {
	for {
		if info, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil && info.Mode().IsRegular() {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}

func absolute(env *command.Env, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(env.Dir, path)
}

// Shown is how a path is told to the user: relative to the working directory if it is below, else absolute.
func Shown(env *command.Env, path string) string {
	if relative, err := filepath.Rel(env.Dir, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}

// Compile compiles the project's files; those that are restricted by a path are compiled with all others. Problems
// are in a *[protobuild.ProblemsError], their files relative to Source.Dir.
func (p *Project) Compile(ctx context.Context) (*protobuild.Compiled, error) {
	return protobuild.Compile(ctx, p.Source)
}

// NameByPackages names the files from a folder above when nothing but their packages says where names begin, as
// [protobuild.Source.NamedByPackages] does.
func (p *Project) NameByPackages() {
	if !p.rootless {
		return
	}
	named := p.Source.NamedByPackages()
	for i, name := range p.only {
		p.only[i] = named.Files[slices.Index(p.Source.Files, name)]
	}
	p.Source = named
}

// Wanted reports whether a file of the source, as imports name it, is among those that the user asked for.
func (p *Project) Wanted(name string) bool {
	return p.only == nil || slices.Contains(p.only, name)
}

// Targets returns what panda.yaml wants to be generated; Go and gRPC when it does not say.
func (p *Project) Targets() []generate.Target {
	if p.Config.Generate == nil {
		return []generate.Target{{Plugin: "go", Only: p.only}, {Plugin: "go-grpc", Only: p.only}}
	}
	var targets []generate.Target
	for _, t := range p.Config.Generate {
		targets = append(targets, generate.Target{Plugin: t.Plugin, Out: t.Out, Options: t.Options, Only: p.only})
	}
	return targets
}
