package workspace

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
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
	targets, binaries := targetsOf(w.Services, folder)
	if err := build.All(ctx, targets, cfg); err != nil {
		return nil, err
	}
	return binaries, nil
}

// source is what an executable is made from.
type source struct {
	dir   string
	debug bool
}

func (s *Service) source() source { return source{s.Dir, s.Debugger != nil} }

func targetsOf(services []*Service, folder string) ([]build.Target, Binaries) {
	var targets []build.Target
	binaries := make(Binaries, len(services))
	built := make(map[source]string) // executables
	taken := make(map[string]bool)   // without regard to case, as some file systems are
	for i, s := range services {
		from := s.source()
		if binaries[s.Name] = built[from]; built[from] != "" {
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
		binaries[s.Name], built[from] = output, output
		targets = append(targets, build.Target{
			Name: s.Name, Dir: s.Dir, Module: s.Module.Dir, Env: s.Module.Env, Debug: from.debug, Output: output,
		})
	}
	return targets, binaries
}

// rebuilt are executables that were built while the workspace runs.
type rebuilt struct {
	runner   *Runner
	folder   string
	binaries Binaries // of what was built, whether it worked or not
}

func (b *rebuilt) of(s *running) string { return b.binaries[s.Name] }

// discard removes the executables that nothing has come to use.
func (b *rebuilt) discard() {
	b.runner.mu.Lock()
	defer b.runner.mu.Unlock()
	for _, path := range b.binaries {
		if b.runner.binaries[path] == nil {
			b.runner.remove(path)
		}
	}
}

// newRebuilt names a folder for executables, which is not there yet.
func (r *Runner) newRebuilt() *rebuilt {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.built++
	return &rebuilt{runner: r, folder: filepath.Join(r.Build.Temp, strconv.Itoa(r.built))}
}

// rebuild builds services into a folder of their own. The caller discards what it returns, also with an error.
func (r *Runner) rebuild(ctx context.Context, services []*running) (*rebuilt, error) {
	if r.Build == nil {
		return &rebuilt{runner: r}, nil
	}
	result := r.newRebuilt()
	plain := make([]*Service, len(services))
	for at, s := range services {
		plain[at] = s.Service
	}
	if err := os.MkdirAll(result.folder, 0o700); err != nil {
		return result, err
	}
	var targets []build.Target
	targets, result.binaries = targetsOf(plain, result.folder)
	for _, s := range services {
		r.seed(s, result.of(s))
	}
	cfg := *r.Build
	cfg.Done = func(build.Result) {}
	err := build.All(ctx, targets, cfg)
	return result, err
}

// seed puts what runs where the next executable is to be: the go command links only what is not up to date.
func (r *Runner) seed(s *running, path string) {
	r.mu.Lock()
	current := s.binary.path
	r.mu.Unlock()
	if _, err := os.Stat(path); err == nil {
		return
	}
	_ = copyFile(current, path) // without it the build takes longer
}

func copyFile(from, to string) error {
	in, err := os.Open(from) //nolint:gosec // an executable of ours
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700) //nolint:gosec // it is to be run
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

// remove removes an executable, and the folder that was made for it if that was the last one.
func (r *Runner) remove(path string) {
	_ = os.Remove(path) // else it goes with the folder for all
	if r.Build != nil && filepath.Dir(path) != filepath.Clean(r.Build.Temp) {
		_ = os.Remove(filepath.Dir(path)) // which fails while it has others
	}
}

// digest is that of an executable; the zero one is not known yet.
type digest [sha256.Size]byte

func digestOf(path string) (digest, error) {
	file, err := os.Open(path) //nolint:gosec // an executable of ours
	if err != nil {
		return digest{}, err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return digest{}, err
	}
	return digest(hash.Sum(nil)), nil
}

// same reports whether the service runs the executable at path already, or one that is equal to it.
func (r *Runner) same(s *running, path string) bool {
	r.mu.Lock()
	current := s.binary
	before := current.sum
	r.mu.Unlock()
	next, err := digestOf(path)
	if err != nil {
		return false
	}
	if before == (digest{}) {
		if before, err = digestOf(current.path); err != nil {
			return false
		}
		r.mu.Lock()
		current.sum = before
		r.mu.Unlock()
	}
	return before == next
}
