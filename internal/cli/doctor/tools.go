package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pandakit/panda/internal/cli/consulcmd"
	"github.com/pandakit/panda/internal/consulbuild"
	"github.com/pandakit/panda/internal/workspace/config"
)

// leastGo is the version that services are built with; an older one fetches it.
const leastGo = "go1.26"

// output runs a program and returns the first line that it prints.
func output(ctx context.Context, p *patient, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // go, or the Consul that was found
	cmd.Env, cmd.Dir, cmd.WaitDelay = p.env.Environ(), p.env.Dir, patience
	out, err := cmd.Output()
	if err != nil {
		return "", err
	}
	first, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	return string(bytes.TrimSpace(first)), nil
}

func goTool(ctx context.Context, p *patient) []finding {
	f := finding{Check: "go", Level: fine}
	paths := consulcmd.OnPath(p.env, "go")
	if len(paths) == 0 {
		f.Level, f.Text = problem, "there is no go command on PATH"
		f.Do = `install Go: "panda up" builds services with it`
		return []finding{f}
	}
	found, err := output(ctx, p, paths[0], "env", "GOVERSION")
	switch {
	case err != nil:
		f.Level, f.Text, f.Do = problem, fmt.Sprintf("%s does not run: %v", paths[0], err), "install Go anew"
	case version.IsValid(found) && version.Compare(found, leastGo) < 0:
		f.Level, f.Text = warning, fmt.Sprintf("%s at %s is older than %s", found, paths[0], leastGo)
		f.Do = "install a newer Go, or let it fetch one: GOTOOLCHAIN=auto"
	default:
		f.Text = found + " at " + paths[0]
	}
	return []finding{f}
}

func protoc(_ context.Context, p *patient) []finding {
	f := finding{Check: "protoc", Level: fine, Text: "not installed, and not needed"}
	if paths := consulcmd.OnPath(p.env, "protoc"); len(paths) > 0 {
		f.Text = paths[0] + ", which panda does not need"
	}
	return []finding{f}
}

func consul(ctx context.Context, p *patient) []finding {
	f := finding{Check: "consul", Level: fine}
	path, err := consulcmd.Find(p.env)
	if err != nil {
		f.Text = `no real Consul; it is needed for more than one machine only, or for "panda consul"`
		return []finding{f}
	}
	says, err := output(ctx, p, path, "version")
	switch {
	case err != nil:
		f.Level, f.Text, f.Do = warning, fmt.Sprintf("%s does not run: %v", path, err), `install Consul anew, or remove it and run "panda consul install"`
	case strings.TrimPrefix(says, "Consul v") == consulbuild.Version:
		f.Text = fmt.Sprintf("%s at %s, for learning and tests: past its end of life", says, path)
	default:
		f.Text = says + " at " + path
	}
	return []finding{f}
}

// workspaceFile checks the nearest panda.yaml at or above the working directory.
func workspaceFile(_ context.Context, p *patient) []finding {
	for folder := p.env.Dir; folder != ""; {
		file, err := config.Read(folder, folder)
		if err == nil {
			return []finding{validWorkspace(folder, file)}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return []finding{{Check: "workspace", Level: problem, Text: err.Error(), Do: "mend the file"}}
		}
		above := filepath.Dir(folder)
		if above == folder {
			break
		}
		folder = above
	}
	return []finding{{Check: "workspace", Level: fine, Text: "no " + config.Name + " here or above, and none is needed"}}
}

func validWorkspace(folder string, file *config.File) finding {
	for i := range file.Services {
		s := &file.Services[i]
		if s.Path == "" {
			continue // it is looked for when it is run
		}
		if _, err := file.Folder(folder, s); err != nil {
			return finding{Check: "workspace", Level: problem, Text: err.Error(), Do: "mend the path"}
		}
	}
	return finding{Check: "workspace", Level: fine, Text: fmt.Sprintf("%s tells of %s", file.Name, amount(len(file.Services), "service"))}
}

// folders checks those that are written to.
func folders(_ context.Context, p *patient) []finding {
	var all []finding
	if cache, err := consulbuild.Folder(); err != nil {
		all = append(all, finding{Check: "cache folder", Level: warning, Text: err.Error(), Do: "set HOME, or the variable of your system for the cache folder"})
	} else {
		all = append(all, writable("cache folder", warning, cache))
	}
	if p.dataDir != "" {
		folder := p.dataDir
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(p.env.Dir, folder)
		}
		all = append(all, writable("data dir", problem, folder), private(folder))
	}
	return all
}

// writable checks the nearest of a folder and those above it that exists, by writing to it.
func writable(check string, otherwise level, folder string) finding {
	existing := folder
	for {
		info, err := os.Stat(existing)
		if err == nil && !info.IsDir() {
			return finding{Check: check, Level: otherwise, Text: existing + " is not a folder", Do: "choose another folder, or remove the file"}
		}
		above := filepath.Dir(existing)
		if err == nil || above == existing {
			break
		}
		existing = above
	}
	probe, err := os.CreateTemp(existing, ".panda-doctor-")
	if err != nil {
		return finding{Check: check, Level: otherwise, Text: fmt.Sprintf("%s cannot be written to: %v", folder, err), Do: "give yourself the right to write there, or choose another folder"}
	}
	_ = probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return finding{Check: check, Level: warning, Text: fmt.Sprintf("remove what was tried in %s: %v", existing, err)}
	}
	return finding{Check: check, Level: fine, Text: folder + " can be written to"}
}

// private checks that others of the machine cannot write to an agent's state.
func private(folder string) finding {
	const othersWrite = 0o022
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		return finding{Check: "data dir", Level: fine, Text: folder + " does not exist; the agent makes it"}
	case info.Mode().Perm()&othersWrite != 0:
		return finding{Check: "data dir", Level: warning, Text: fmt.Sprintf("others can write to %s (%v)", folder, info.Mode().Perm()), Do: "chmod go-w " + folder}
	}
	return finding{Check: "data dir", Level: fine, Text: fmt.Sprintf("%s is yours alone to write to (%v)", folder, info.Mode().Perm())}
}
