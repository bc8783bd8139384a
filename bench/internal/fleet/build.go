package fleet

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Binary is a built program.
type Binary struct {
	Path string
	Size int64 // bytes, stripped
}

// Build compiles the package at path, below the module in dir, into the folder out, stripped as a
// release would be. Interrupting the context ends the compiler too.
func Build(ctx context.Context, dir, path, out string) (Binary, error) {
	file := filepath.Join(out, strings.ReplaceAll(filepath.ToSlash(path), "/", "-"))
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "./"+filepath.ToSlash(path))
	command.Dir = dir
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	if output, err := command.CombinedOutput(); err != nil {
		return Binary{}, fmt.Errorf("build %s: %w\n%s", path, err, output)
	}
	info, err := os.Stat(file)
	if err != nil {
		return Binary{}, fmt.Errorf("build %s: %w", path, err)
	}
	return Binary{Path: file, Size: info.Size()}, nil
}

// FreeAddress returns a loopback address that was free a moment ago.
func FreeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return address, nil
}
