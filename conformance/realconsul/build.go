// Package realconsul builds a real Consul through the Go toolchain and runs development agents of it, as the
// authority that tests of Panda are judged by. Nothing but Go and its module proxy is needed.
//
// It is test machinery: no program imports it, and it never touches an agent that it has not started.
package realconsul

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Version is the Consul that is built: the last under the Mozilla licence that a current Go compiles.
const Version = "1.12.9"

// EnvBinary names the variable that has the path of a Consul to use instead of building one.
const EnvBinary = "PANDA_TEST_CONSUL"

// pins are the modules that make Version compile: its own two, which its go.mod replaces by folders, and an
// x/net that a current Go takes.
var pins = []string{
	"github.com/hashicorp/consul@v" + Version,
	"github.com/hashicorp/consul/api@v1.14.0",
	"github.com/hashicorp/consul/sdk@v0.11.0",
	"golang.org/x/net@v0.62.0",
}

// Binary returns the path of Consul's binary. The first call on a machine builds it, which takes some minutes,
// and keeps it in the user's cache; others that call meanwhile, in this process or another, wait for it.
func Binary(ctx context.Context) (string, error) {
	if path := os.Getenv(EnvBinary); path != "" {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder for Consul: %w", err)
	}
	folder := filepath.Join(cache, "panda", "consul-"+Version)
	path := filepath.Join(folder, "consul"+exeSuffix())
	if isFile(path) {
		return path, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder for Consul: %w", err)
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(folder, "lock")).Lock()
	if err != nil {
		return "", fmt.Errorf("lock the build of Consul: %w", err)
	}
	defer unlock()
	if isFile(path) {
		return path, nil // built while this call waited
	}
	if err := build(ctx, folder, path); err != nil {
		return "", err
	}
	return path, nil
}

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// build compiles Consul in a module of its own and moves the finished binary to path in one step.
func build(ctx context.Context, folder, path string) (err error) {
	if err := removeLeftovers(folder); err != nil {
		return err
	}
	work, err := os.MkdirTemp(folder, "build-")
	if err != nil {
		return fmt.Errorf("make a folder to build Consul in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	commands := [][]string{
		{"mod", "init", "consulbuild"},
		append([]string{"get", "-tool"}, pins...),
		{"build", "-o", "consul" + exeSuffix(), "github.com/hashicorp/consul"},
	}
	for _, arguments := range commands {
		if err := goCommand(ctx, work, arguments...); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(work, "consul"+exeSuffix()), path); err != nil {
		return fmt.Errorf("put the built Consul in its place: %w", err)
	}
	return nil
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

func goCommand(ctx context.Context, folder string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, "go", arguments...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	output, err := cmd.CombinedOutput()
	if err != nil {
		const shown = 2000
		return fmt.Errorf("build Consul %s: go %s: %w: %s", Version, arguments[0], err, output[max(0, len(output)-shown):])
	}
	return nil
}
