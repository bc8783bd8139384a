package generate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// tool is what does the work of a target: a plugin, or protoc for a language of its own.
type tool struct {
	path    string
	builtin string // the language, "" for a plugin
}

// builtins are the languages that protoc 3.21 generates without a plugin.
var builtins = []string{"cpp", "csharp", "java", "kotlin", "objc", "php", "pyi", "python", "ruby"}

// pinnable are the plugins that every Go project with .proto files pins, with the versions that Pin takes where
// go.mod does not say one.
var pinnable = []struct{ plugin, pkg, module, version string }{
	{"go", "google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/protobuf", "v1.36.12"},
	{"go-grpc", "google.golang.org/grpc/cmd/protoc-gen-go-grpc", "google.golang.org/grpc/cmd/protoc-gen-go-grpc", "v1.6.2"},
}

// UnpinnedError says that go.mod does not name the tool of a plugin that is to be pinned there.
type UnpinnedError struct {
	Plugin  string // "go", "go-grpc"
	Package string // of the tool
	Dir     string // of the go.mod
}

func (e *UnpinnedError) Error() string {
	return fmt.Sprintf("generate with %s: %s has no line for the tool protoc-gen-%s; add it: go get -tool %s",
		e.Plugin, filepath.Join(e.Dir, "go.mod"), e.Plugin, e.Package)
}

// module is a Go module, as far as generating needs to know it.
type module struct {
	dir  string // absolute
	path string
	spec moduleSpec
}

// moduleSpec is the part that is of use of what `go mod edit -json` prints.
type moduleSpec struct {
	Module  struct{ Path string }
	Require []struct{ Path, Version string }
	Tool    []struct{ Path string }
}

// errNoModule says that there is no go.mod.
var errNoModule = errors.New("no go.mod")

// module returns the module that a folder is in; the folder need not exist.
func (g *generation) module(ctx context.Context, folder string) (*module, error) {
	dir := moduleFolder(folder)
	if dir == "" {
		return nil, fmt.Errorf("%w in %s or above, so that Go code there has no import path; run: go mod init NAME", errNoModule, folder)
	}
	if m := g.modules[dir]; m != nil {
		return m, nil
	}
	m, err := g.run.readModule(ctx, dir)
	if err != nil {
		return nil, err
	}
	g.modules[dir] = m
	return m, nil
}

// moduleFolder returns the nearest folder with a go.mod, at or above folder; "" when there is none.
func moduleFolder(folder string) string {
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

// readModule asks the go command for what go.mod says.
func (r Runner) readModule(ctx context.Context, dir string) (*module, error) {
	stdout, err := r.goCommand(ctx, dir, "mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	m := &module{dir: dir}
	if err := json.Unmarshal(stdout, &m.spec); err != nil {
		return nil, fmt.Errorf("read %s: the go command prints what is no JSON: %w", filepath.Join(dir, "go.mod"), err)
	}
	m.path = m.spec.Module.Path
	if m.path == "" {
		return nil, fmt.Errorf("read %s: it has no line \"module NAME\"", filepath.Join(dir, "go.mod"))
	}
	return m, nil
}

// goCommand runs the go command in dir and returns its standard output.
func (r Runner) goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	program := r.lookPath("go")
	if program == "" {
		return nil, errors.New("go is not on PATH; install Go from https://go.dev/dl")
	}
	stdout, stderr, err := r.start(ctx, buildTimeout, dir, nil, program, args...)
	if err != nil {
		return nil, fmt.Errorf("go %s in %s %w%s", strings.Join(args, " "), dir, err, said(stderr))
	}
	return stdout, nil
}

// tool returns the import path of the module's tool of that name, or "".
func (m *module) tool(name string) string {
	for _, t := range m.spec.Tool {
		if path.Base(t.Path) == name {
			return t.Path
		}
	}
	return ""
}

// find looks for what does the work of a plugin's name; base is the folder, relative to the source's, that the
// files go to.
func (g *generation) find(ctx context.Context, plugin, base string) (tool, error) {
	dir := g.compiled.Source.Dir
	if strings.ContainsAny(plugin, `/\`) {
		return plugInPath(dir, plugin)
	}
	name := "protoc-gen-" + plugin
	m, err := g.module(ctx, filepath.Join(dir, filepath.FromSlash(base)))
	if err != nil && isGo(plugin) {
		return tool{}, fmt.Errorf("generate with %s: %w", plugin, err)
	}
	if err == nil && m.tool(name) != "" {
		return g.goTool(ctx, m, plugin, name)
	}
	for _, p := range pinnable {
		if p.plugin == plugin {
			return tool{}, &UnpinnedError{Plugin: plugin, Package: p.pkg, Dir: m.dir}
		}
	}
	if found := nodeModule(dir, name); found != "" {
		return tool{path: found}, nil
	}
	for _, candidate := range []string{name, plugin + "_plugin"} { // Debian calls those of gRPC grpc_python_plugin
		if found := g.run.lookPath(candidate); found != "" {
			return tool{path: found}, nil
		}
	}
	return g.lastResort(plugin, name)
}

// lastResort is protoc for its own languages; without it, an error that says all that was tried.
func (g *generation) lastResort(plugin, name string) (tool, error) {
	if !slices.Contains(builtins, plugin) {
		return tool{}, fmt.Errorf("generate with %s: no plugin %s: not a tool of go.mod, not in node_modules/.bin, not on PATH", plugin, name)
	}
	if found := g.run.lookPath("protoc"); found != "" {
		return tool{path: found, builtin: plugin}, nil
	}
	return tool{}, fmt.Errorf("generate with %s: code for %s is made by protoc itself, which is not on PATH; install it (Debian: protobuf-compiler), or a plugin %s",
		plugin, plugin, name)
}

// plugInPath finds a plugin that is named by its path.
func plugInPath(dir, plugin string) (tool, error) {
	at := filepath.FromSlash(plugin)
	if !filepath.IsAbs(at) {
		at = filepath.Join(dir, at)
	}
	found, err := exec.LookPath(at)
	if err == nil {
		return tool{path: found}, nil
	}
	if failed, ok := errors.AsType[*exec.Error](err); ok {
		err = failed.Err
	}
	if p, ok := errors.AsType[*os.PathError](err); ok {
		err = p.Err
	}
	return tool{}, fmt.Errorf("generate with %s: no plugin at %s: %w", plugin, at, err)
}

// goTool builds a tool of the module, which the go command keeps, and returns the program.
func (g *generation) goTool(ctx context.Context, m *module, plugin, name string) (tool, error) {
	stdout, err := g.run.goCommand(ctx, m.dir, "tool", "-n", name)
	if err != nil {
		return tool{}, fmt.Errorf("generate with %s: %w", plugin, err)
	}
	program := string(bytes.TrimSpace(stdout))
	if !filepath.IsAbs(program) {
		return tool{}, fmt.Errorf("generate with %s: go tool -n %s prints %q, not the path of a program", plugin, name, program)
	}
	return tool{path: program}, nil
}

// nodeModule finds a program that npm has installed in dir or above; "" when there is none.
func nodeModule(dir, name string) string {
	for {
		if found, err := exec.LookPath(filepath.Join(dir, "node_modules", ".bin", name)); err == nil {
			return found
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// Pin adds the tools of Go's plugins that are missing to the go.mod at or above dir, by `go get -tool`. Those whose
// module is required already keep its version. It returns the packages that were added, with their versions.
func Pin(ctx context.Context, dir string, plugins []string, run Runner) ([]string, error) {
	folder := moduleFolder(dir)
	if folder == "" {
		return nil, fmt.Errorf("pin the plugins: %w in %s or above; run: go mod init NAME", errNoModule, dir)
	}
	m, err := run.readModule(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("pin the plugins: %w", err)
	}
	var missing []string
	for _, p := range pinnable {
		if !slices.Contains(plugins, p.plugin) || m.tool(path.Base(p.pkg)) != "" {
			continue
		}
		version := p.version
		for _, required := range m.spec.Require {
			if required.Path == p.module {
				version = required.Version
			}
		}
		missing = append(missing, p.pkg+"@"+version)
	}
	if len(missing) == 0 {
		return nil, nil
	}
	if _, err := run.goCommand(ctx, m.dir, append([]string{"get", "-tool"}, missing...)...); err != nil {
		return nil, fmt.Errorf("pin the plugins: %w", err)
	}
	return missing, nil
}

// Pinned lists "module version" of the tools that [Pin] writes where go.mod says none.
func Pinned() []string {
	var list []string
	for _, p := range pinnable {
		list = append(list, p.module+" "+p.version)
	}
	return list
}
