package find

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// goPackage is what is asked of `go list -json` about a package.
type goPackage struct {
	Dir            string
	ImportPath     string
	Name           string
	GoFiles        []string
	CgoFiles       []string
	InvalidGoFiles []string
}

// files returns the names of all files that are compiled here, broken ones included, each once.
func (p *goPackage) files() []string {
	all := slices.Concat(p.GoFiles, p.CgoFiles, p.InvalidGoFiles)
	slices.Sort(all)
	return slices.Compact(all)
}

// list returns the packages of the module, and those below folder even where `./...` would pass them by.
// Imports are not resolved (-find), so nothing is downloaded, and a package that does not compile is listed too.
func list(ctx context.Context, module Module, folder string, environ []string) ([]*goPackage, error) {
	args := []string{"list", "-find", "-e", "-json=Dir,ImportPath,Name,GoFiles,CgoFiles,InvalidGoFiles", "./..."}
	if relative, ok := below(module.Dir, folder); ok && relative != "." {
		relative = "./" + filepath.ToSlash(relative)
		args = append(args, relative, relative+"/...")
	}
	out, err := goCommand(ctx, module.Dir, slices.Concat(environ, module.Env), args...)
	if err != nil {
		return nil, err
	}
	var packages []*goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(goPackage)
		err := decoder.Decode(p)
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list packages of %s: %w", module.Dir, err)
		}
		packages = append(packages, p)
	}
}

// openModule tells whether the go.work in force, if any, uses the module in dir.
func openModule(ctx context.Context, dir string, environ []string) (Module, error) {
	out, err := goCommand(ctx, dir, environ, "env", "GOWORK")
	if err != nil {
		return Module{}, err
	}
	work := strings.TrimSpace(string(out))
	if work == "" || work == "off" {
		return Module{Dir: dir}, nil
	}
	out, err = goCommand(ctx, dir, environ, "work", "edit", "-json", work)
	if err != nil {
		return Module{}, err
	}
	var file struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal(out, &file); err != nil {
		return Module{}, fmt.Errorf("read %s: %w", work, err)
	}
	for _, use := range file.Use {
		path := filepath.FromSlash(use.DiskPath)
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(work), path)
		}
		if used, err := filepath.EvalSymlinks(path); err == nil && used == dir {
			return Module{Dir: dir}, nil
		}
	}
	return Module{Dir: dir, Env: []string{"GOWORK=off"}}, nil
}

// goCommand runs go in dir and returns its output; what it says when it fails is the error.
func goCommand(ctx context.Context, dir string, environ []string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are ours and folders of the workspace
	command.Dir, command.Env = dir, environ
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	switch text := strings.TrimSpace(stderr.String()); {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case text != "":
		return nil, fmt.Errorf("go %s in %s: %s", args[0], dir, text)
	default:
		return nil, fmt.Errorf("go %s in %s: %w", args[0], dir, err)
	}
}
