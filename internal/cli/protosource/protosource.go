// Package protosource hands commands that judge or describe .proto files the compiled files of the paths that they
// are given. What is wrong with the files is printed here, in the one form that all commands have for it.
package protosource

import (
	"context"
	"errors"
	"path/filepath"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/gen"
	"github.com/pandakit/panda/internal/protobuild/place"
	"github.com/pandakit/panda/internal/workspace/config"
)

// Project is the .proto files of one module, compiled.
type Project struct {
	Files  []protoreflect.FileDescriptor // all of the module's own, those that were not asked for too
	Dir    string                        // absolute
	Config *config.Proto                 // what panda.yaml says, never nil

	source *gen.Project
	env    *command.Env
}

// Load finds and compiles the .proto files at and below the paths, as [gen.Projects] does. Problems in them are
// written to standard error, all of them, before their count is returned as the error.
func Load(ctx context.Context, env *command.Env, paths ...string) ([]*Project, error) {
	projects, err := Compile(ctx, env, paths...)
	return told(env, projects, err)
}

// LoadByPackages is Load for whoever judges where files lie: those of no module and no panda.yaml are named as
// their packages are, if their folders are called so, from wherever they are looked at.
func LoadByPackages(ctx context.Context, env *command.Env, paths ...string) ([]*Project, error) {
	found, err := gen.Projects(env, paths...)
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		p.NameByPackages()
	}
	projects, err := compile(ctx, env, found)
	return told(env, projects, err)
}

// told writes the problems that err is, if it is some.
func told(env *command.Env, projects []*Project, err error) ([]*Project, error) {
	if wrong, ok := errors.AsType[*gen.ProblemsError](err); ok {
		wrong.Write(env)
	}
	return projects, err
}

// Compile is Load that prints nothing: the error is a *[gen.ProblemsError] when there are problems.
func Compile(ctx context.Context, env *command.Env, paths ...string) ([]*Project, error) {
	found, err := gen.Projects(env, paths...)
	if err != nil {
		return nil, err
	}
	return compile(ctx, env, found)
}

func compile(ctx context.Context, env *command.Env, found []*gen.Project) ([]*Project, error) {
	compiled, err := gen.CompileAll(ctx, found)
	if err != nil {
		return nil, err
	}
	var projects []*Project
	for i, p := range found {
		projects = append(projects, &Project{Files: compiled[i].Files, Dir: p.Source.Dir, Config: p.Config, source: p, env: env})
	}
	return projects, nil
}

func absolute(dir, file string) string {
	path := filepath.FromSlash(file)
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Wanted reports whether a file, as imports name it, is among those that were asked for.
func (p *Project) Wanted(name string) bool { return p.source.Wanted(name) }

// WantedFiles returns the files that were asked for.
func (p *Project) WantedFiles() []protoreflect.FileDescriptor {
	var files []protoreflect.FileDescriptor
	for _, file := range p.Files {
		if p.Wanted(file.Path()) {
			files = append(files, file)
		}
	}
	return files
}

// Shown returns a place with its file as the user sees it from the working directory, with slashes.
func (p *Project) Shown(at place.Place) place.Place {
	at.Path = filepath.ToSlash(gen.Shown(p.env, absolute(p.Dir, p.source.Source.Path(at.Path))))
	return at
}

// Names returns the texts of references in panda.yaml.
func Names(references []config.Reference) []string {
	var names []string
	for _, r := range references {
		names = append(names, r.Name)
	}
	return names
}

// At gives err the place in panda.yaml where the first of the references with this name is, if it is one of them.
func (p *Project) At(references []config.Reference, name string, err error) error {
	for _, r := range references {
		if r.Name == name && p.source.File != nil {
			return command.Usage(p.source.File.Errorf(r.Pos, "%v", err))
		}
	}
	return command.Usage(err)
}

// Has reports whether the project has a file of this name.
func (p *Project) Has(name string) bool {
	for _, file := range p.Files {
		if file.Path() == name {
			return true
		}
	}
	return false
}
