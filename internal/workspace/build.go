package workspace

import (
	"context"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/workspace/build"
)

// Binaries says where the executable of each service is, by name.
type Binaries map[string]string

// Build compiles all services into folder. What does not compile is a *[build.Error]. A main package that
// several services run is built once.
func (w *Workspace) Build(ctx context.Context, folder string, cfg build.Config) (Binaries, error) {
	targets, binaries := w.targets(folder)
	if err := build.All(ctx, targets, cfg); err != nil {
		return nil, err
	}
	return binaries, nil
}

func (w *Workspace) targets(folder string) ([]build.Target, Binaries) {
	var targets []build.Target
	binaries := make(Binaries, len(w.Services))
	built := make(map[string]string) // executables by folder of the main package
	taken := make(map[string]bool)   // without regard to case, as some file systems are
	for i, s := range w.Services {
		if binaries[s.Name] = built[s.Dir]; built[s.Dir] != "" {
			continue
		}
		name := s.Name
		if taken[strings.ToLower(name)] {
			name += "-" + strconv.Itoa(i)
		}
		taken[strings.ToLower(name)] = true
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		output := filepath.Join(folder, name)
		binaries[s.Name], built[s.Dir] = output, output
		targets = append(targets, build.Target{Name: s.Name, Dir: s.Dir, Module: s.Module.Dir, Env: s.Module.Env, Output: output})
	}
	return targets, binaries
}
