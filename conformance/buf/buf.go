// Package buf builds buf through the Go toolchain, as the judge of what "panda breaking" says. Nothing but Go and
// its module proxy is needed.
//
// It is test machinery: no program imports it, and it never asks buf for anything that lies outside of this machine.
package buf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Version is the buf that is built.
const Version = "1.75.0"

// EnvBinary names the variable that has the path of a buf to use instead of building one.
const EnvBinary = "PANDA_TEST_BUF"

const module = "github.com/bufbuild/buf"

// Binary returns the path of buf's binary. The first call on a machine builds it, which takes some minutes, and
// keeps it in the user's cache. Two processes that build at once both do, and the last one's stays.
func Binary(ctx context.Context) (path string, err error) {
	if path := os.Getenv(EnvBinary); path != "" {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder for buf: %w", err)
	}
	folder := filepath.Join(cache, "panda", "buf-"+Version)
	path = filepath.Join(folder, "buf")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return path, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("make the folder to keep buf in: %w", err)
	}
	work, err := os.MkdirTemp(folder, "build-")
	if err != nil {
		return "", fmt.Errorf("make a folder to build buf in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	built := filepath.Join(work, filepath.Base(path))
	for _, arguments := range [][]string{
		{"mod", "init", "bufbuild"},
		{"get", "-tool", module + "/cmd/buf@v" + Version},
		{"build", "-o", built, module + "/cmd/buf"},
	} {
		if err := run(ctx, work, arguments); err != nil {
			return "", err
		}
	}
	if err := os.Rename(built, path); err != nil {
		return "", fmt.Errorf("put the built buf in its place: %w", err)
	}
	return path, nil
}

// run runs the go command in a module of its own, whatever the process's settings are about its own module.
func run(ctx context.Context, folder string, arguments []string) error {
	cmd := exec.CommandContext(ctx, "go", arguments...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "CGO_ENABLED=0", "GOTMPDIR="+folder, "PWD="+folder)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go %s: %w: %s", arguments[0], err, bytes.TrimSpace(output[max(0, len(output)-2000):]))
	}
	return nil
}
