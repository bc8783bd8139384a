package scaffold

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
	"strconv"
	"strings"
	"time"
)

// What new modules require beside what the panda module brings. A test compares the versions and sums with those that
// this repository uses itself.
const (
	leastGo          = "1.26.7"
	grpcPlugin       = "google.golang.org/grpc/cmd/protoc-gen-go-grpc"
	grpcPluginModule = "google.golang.org/grpc/cmd/protoc-gen-go-grpc"
	grpcPluginSemver = "v1.6.2"
	goPlugin         = "google.golang.org/protobuf/cmd/protoc-gen-go"
	goPluginModule   = "google.golang.org/protobuf"
	httpModule       = "google.golang.org/genproto/googleapis/api"
	httpSemver       = "v0.0.0-20260817212433-ac3dfec99bb1"
)

// knownSums are lines of go.sum for what the panda module's own does not have.
const knownSums = `google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2 h1:rgSNvqscFZ1JgV/4wH5GOsZFSFkR2Eua9As3KIr2LlM=
google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2/go.mod h1:iMEtFwDlAhjDU9L5mY6U1XLwlIId/G3h+QcBHDIvrJ8=
`

// goTimeout bounds each run of the go command, which may have to download and compile.
const goTimeout = 10 * time.Minute

// trial is the module in a temporary folder in which a project is tried.
type trial struct {
	*Plan

	tools   Tools
	dir     string // of its go.mod
	project string // the project's folder in it

	// Of a module that is another's: what its files were, and the flags that make its replacements relative again.
	oldMod, oldSum []byte
	back           []string
}

// try makes the project in a temporary module and returns its files, those that were generated with them, and the
// module's go.mod and go.sum where they are another's and had to change.
func (p *Plan) try(ctx context.Context, tools Tools, files []File) (made, outside []File, err error) {
	temp, err := os.MkdirTemp("", "panda-new-")
	if err != nil {
		return nil, nil, fmt.Errorf("create %s: %w", p.Shown, err)
	}
	defer os.RemoveAll(temp) //nolint:errcheck // what is left is the system's to clear
	if temp, err = filepath.EvalSymlinks(temp); err != nil {
		return nil, nil, err
	}
	t := &trial{Plan: p, tools: tools, dir: temp, project: filepath.Join(temp, filepath.FromSlash(p.below))}
	if err := writeAll(t.project, files); err != nil {
		return nil, nil, err
	}
	if err := t.prepare(ctx); err != nil {
		return nil, nil, err
	}
	if err := t.build(ctx); err != nil {
		return nil, nil, err
	}
	if !p.NewModule {
		if outside, err = t.grown(ctx); err != nil {
			return nil, nil, err
		}
	}
	made, err = collect(t.project)
	if !p.NewModule {
		made = slices.DeleteFunc(made, func(f File) bool { return f.Path == "go.mod" || f.Path == "go.sum" })
	}
	return made, outside, err
}

func writeAll(dir string, files []File) error {
	for _, f := range files {
		at := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(at), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(at, f.Content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// progress tells what is done next.
func (t *trial) progress(text string) {
	if t.tools.Progress != nil {
		t.tools.Progress(text)
	}
}

// run runs the go command in the trial's module.
func (t *trial) run(ctx context.Context, args ...string) ([]byte, error) {
	out, err := runGo(ctx, t.tools, t.dir, args...)
	if err == nil || ctx.Err() != nil {
		return out, err
	}
	if within := t.dir + string(filepath.Separator); strings.Contains(err.Error(), within) {
		return nil, fmt.Errorf("create %s: %s", t.Shown, strings.ReplaceAll(err.Error(), within, ""))
	}
	return nil, fmt.Errorf("create %s: %w", t.Shown, err)
}

// runGo runs the go command in a module, as if there were no go.work; what it says when it fails is the error.
func runGo(ctx context.Context, tools Tools, dir string, args ...string) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, goTimeout)
	defer cancel()
	cmd := exec.CommandContext(bounded, tools.Go, args...) //nolint:gosec // the go command that was found on PATH
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, slices.Concat(tools.Environ, []string{"GOWORK=off"}), time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	what := "go " + strings.Join(args[:min(2, len(args))], " ")
	switch said := strings.TrimSpace(stderr.String()); {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bounded.Err() != nil:
		return nil, fmt.Errorf("%s did not end within %v", what, goTimeout)
	case said != "":
		return nil, fmt.Errorf("%s: %s", what, said)
	default:
		return nil, fmt.Errorf("%s: %w", what, err)
	}
}

// prepare writes go.mod and go.sum.
func (t *trial) prepare(ctx context.Context) error {
	mod, err := t.startMod()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.dir, "go.mod"), mod, 0o600); err != nil {
		return err
	}
	if !t.NewModule {
		if err := t.extendMod(ctx); err != nil {
			return err
		}
		if t.oldSum, err = os.ReadFile(filepath.Join(t.ModuleDir, "go.sum")); err != nil && !os.IsNotExist(err) {
			return cause(err, t.ModuleDir)
		}
	}
	seed, err := t.pandaSums(ctx)
	if err != nil {
		return err
	}
	sums := slices.Concat(t.oldSum, []byte("\n"), seed, []byte("\n"+knownSums))
	return os.WriteFile(filepath.Join(t.dir, "go.sum"), sums, 0o600)
}

// startMod is the go.mod that there is, or that of a new module.
func (t *trial) startMod() ([]byte, error) {
	if !t.NewModule {
		var err error
		if t.oldMod, err = os.ReadFile(filepath.Join(t.ModuleDir, "go.mod")); err != nil {
			return nil, cause(err, t.ModuleDir)
		}
		return t.oldMod, t.copyImported()
	}
	return t.newMod(), nil
}

// newMod is the go.mod of a new module, as short as can be: the go command completes it.
func (t *trial) newMod() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s\n\ngo %s\n\n", t.Module, leastGo)
	if t.hasProto() {
		fmt.Fprintf(&b, "tool (\n\t%s\n\t%s\n)\n\n", grpcPlugin, goPlugin)
	}
	fmt.Fprintf(&b, "require (\n\t%s %s\n", pandaPath, t.Panda.Version)
	if t.Type == API {
		fmt.Fprintf(&b, "\t%s %s\n", httpModule, httpSemver)
	}
	b.WriteString(")\n\n")
	if t.hasProto() {
		fmt.Fprintf(&b, "require (\n\t%s %s // indirect\n)\n\n", grpcPluginModule, grpcPluginSemver)
	}
	if t.Panda.Dir != "" {
		fmt.Fprintf(&b, "replace %s => %s\n", pandaPath, strconv.Quote(t.Panda.Dir))
	}
	return []byte(b.String())
}

// hasProto reports whether the project has .proto files of its own.
func (t *trial) hasProto() bool {
	return t.Type == Srv || t.Type == API || t.Callee != nil && t.Callee.contract != nil
}

// copyImported copies the generated package of the callee, which the project imports, to its place in the trial.
func (t *trial) copyImported() error {
	if t.Callee == nil || t.Callee.packageDir == "" {
		return nil
	}
	names, err := filepath.Glob(filepath.Join(escapeGlob(t.Callee.packageDir), "*.go"))
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(t.ModuleDir, t.Callee.packageDir)
	if err != nil {
		return err
	}
	var files []File
	for _, name := range names {
		content, err := os.ReadFile(name) //nolint:gosec // of the module that grows
		if err != nil {
			return cause(err, name)
		}
		files = append(files, File{filepath.Base(name), content})
	}
	return writeAll(filepath.Join(t.dir, relative), files)
}

// pandaSums returns the go.sum of the panda module, which knows most of what projects need: without it, each
// checksum would be asked for over the network.
func (t *trial) pandaSums(ctx context.Context) ([]byte, error) {
	dir := t.Panda.Dir
	if dir == "" {
		t.progress("finding panda " + t.Panda.Version)
		named := pandaPath + "@" + t.Panda.Version
		if _, err := t.run(ctx, "mod", "download", named); err != nil { // -json would say why on standard output
			if !t.NewModule && ctx.Err() == nil {
				return nil, nil // the module may have it from elsewhere, and then has the sums, too
			}
			return nil, err
		}
		text, err := t.run(ctx, "mod", "download", "-json", named)
		if err != nil {
			return nil, err
		}
		var module struct{ Dir string }
		if err := json.Unmarshal(text, &module); err != nil {
			return nil, err
		}
		dir = module.Dir
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum")) //nolint:gosec // of the panda module
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return sums, err
}

// build generates, completes go.mod, compiles and vets.
func (t *trial) build(ctx context.Context) error {
	if t.hasProto() {
		t.progress("generating Go code from the .proto file")
		// Tools are built only once go.mod is complete.
		if _, err := t.run(ctx, "list", "-mod=mod", "-deps", grpcPlugin, goPlugin); err != nil {
			return err
		}
		if err := t.tools.Generate(ctx, t.dir, path.Join(t.below, "proto"), slices.Concat(t.tools.Environ, []string{"GOWORK=off"})); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("create %s: %w", t.Shown, err)
		}
	}
	t.progress("compiling and vetting")
	if t.NewModule {
		// What the tools brought in first is put in order.
		if err := os.WriteFile(filepath.Join(t.dir, "go.mod"), t.newMod(), 0o600); err != nil {
			return err
		}
	}
	packages := "./..."
	if t.below != "" {
		packages = "./" + t.below + "/..."
	}
	commands := [][]string{{"mod", "tidy"}, {"build", "-o", os.DevNull, packages}, {"vet", packages}}
	if !t.NewModule {
		commands = [][]string{{"build", "-mod=mod", "-o", os.DevNull, packages}, {"vet", "-mod=mod", packages}}
	}
	for _, args := range commands {
		if _, err := t.run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
