// Package consulbuild builds a real Consul of one pinned version through the Go toolchain and keeps it in the
// user's cache. Nothing but Go and its module proxy is needed, and no module of the user's is touched.
//
// It never starts an agent, and it builds nothing that it was not asked for.
package consulbuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Version is the Consul that is built: the last under the Mozilla Public License that a current Go compiles.
const Version = "1.12.9"

// pins returns the modules that make Version compile: its own two, which its go.mod replaces by folders, and
// an x/net that a current Go takes.
func pins() []string {
	return []string{
		"github.com/hashicorp/consul@v" + Version,
		"github.com/hashicorp/consul/api@v1.14.0",
		"github.com/hashicorp/consul/sdk@v0.11.0",
		"golang.org/x/net@v0.62.0",
	}
}

// Stage is what an installation is doing.
type Stage int

// The stages in their order; Waiting comes only while another installation builds into the same folder.
const (
	Waiting Stage = iota
	Fetching
	Compiling
)

// Progress is told while an installation runs. Count is how many modules were downloaded, or how many
// packages were compiled: what the machine has from before is not counted.
type Progress struct {
	Stage Stage
	Count int
}

// Config says how to build. With Environ alone it builds into the user's cache with the go command found on PATH.
type Config struct {
	Folder  string   // where the binary is kept; [Folder] when empty
	Go      string   // path of the go command; "go" on PATH when empty
	Environ []string // of the go command, which needs the process's: PATH, HOME and its own variables

	// Observe, when not nil, is told of progress. Calls do not overlap; they hold the build up.
	Observe func(Progress)
}

// Folder returns where the binary is kept by default, below the user's cache folder. It need not exist.
func Folder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder for Consul: %w", err)
	}
	return filepath.Join(cache, "panda", "consul-"+Version), nil
}

// Find returns the path of the binary that an earlier Install has left in the default folder, "" when there is none.
func Find() string {
	folder, err := Folder()
	if err != nil {
		return ""
	}
	if path := binaryIn(folder); isFile(path) {
		return path
	}
	return ""
}

func binaryIn(folder string) string { return filepath.Join(folder, binaryName()) }

func binaryName() string {
	if runtime.GOOS == "windows" {
		return "consul.exe"
	}
	return "consul"
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Install returns the path of the binary, which it builds when it is not there; that takes some minutes. Of
// several calls at once, in this process or others, one builds and the others wait for it. When ctx ends,
// nothing half built is left. The error is an *[Error] where the reason is known.
func Install(ctx context.Context, cfg Config) (path string, err error) {
	if cfg.Folder == "" {
		if cfg.Folder, err = Folder(); err != nil {
			return "", err
		}
	}
	path = binaryIn(cfg.Folder)
	if isFile(path) {
		return path, nil
	}
	if err := os.MkdirAll(cfg.Folder, 0o755); err != nil { //nolint:gosec // a program is for everyone to run
		return "", explain("make the folder to keep Consul in", err, "")
	}
	release, err := lock(ctx, filepath.Join(cfg.Folder, "lock"), func() { cfg.observe(Progress{Stage: Waiting}) })
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	if isFile(path) {
		return path, nil // built while this call waited
	}
	if err := cfg.build(ctx, path); err != nil {
		return "", err
	}
	return path, nil
}

func (c *Config) observe(p Progress) {
	if c.Observe != nil {
		c.Observe(p)
	}
}

// build compiles Consul in a module of its own and moves the finished binary to path in one step. The caller
// has the lock.
func (c *Config) build(ctx context.Context, path string) (err error) {
	if err := removeLeftovers(c.Folder); err != nil {
		return err
	}
	work, err := os.MkdirTemp(c.Folder, "build-")
	if err != nil {
		return explain("make a folder to build Consul in", err, "")
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	tool, err := c.tool()
	if err != nil {
		return err
	}
	r := &runner{tool: tool, folder: work, environ: c.environ(work)}
	c.observe(Progress{Stage: Fetching})
	if err := r.run(ctx, "mod", "init", "consulbuild"); err != nil {
		return err
	}
	r.line = c.counter(Fetching, func(line string) bool { return strings.HasPrefix(line, "go: downloading ") })
	if err := r.run(ctx, append([]string{"get", "-tool"}, pins()...)...); err != nil {
		return err
	}
	c.observe(Progress{Stage: Compiling})
	r.line = c.counter(Compiling, func(line string) bool { return line != "" && !strings.ContainsAny(line, " :") })
	if err := r.run(ctx, "build", "-v", "-o", binaryName(), "github.com/hashicorp/consul"); err != nil {
		return err
	}
	built := filepath.Join(work, binaryName())
	if err := verify(ctx, built, r.environ); err != nil {
		return err
	}
	if err := os.Rename(built, path); err != nil {
		return fmt.Errorf("put the built Consul in its place: %w", err)
	}
	return nil
}

// counter returns a function that tells of each line that counts.
func (c *Config) counter(stage Stage, counts func(line string) bool) func(string) {
	n := 0
	return func(line string) {
		if counts(line) {
			n++
			c.observe(Progress{Stage: stage, Count: n})
		}
	}
}

// removeLeftovers clears away what builds that were killed have left. The caller has the lock.
func removeLeftovers(folder string) error {
	leftovers, err := filepath.Glob(filepath.Join(folder, "build-*"))
	if err != nil {
		return fmt.Errorf("look for leftovers of Consul's build: %w", err)
	}
	for _, leftover := range leftovers {
		if err := os.RemoveAll(leftover); err != nil {
			return fmt.Errorf("remove a leftover of Consul's build: %w", err)
		}
	}
	return nil
}
