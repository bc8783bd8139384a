package clustercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cluster/control"
)

// detach runs the same command in a process that stays, and returns when that has closed its standard output: the cluster is
// ready, or will never be.
func detach(ctx context.Context, env *command.Env) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("run a cluster: %w", err)
	}
	folder := control.Folder(env.Getenv)
	if d, err := control.Find(folder); err == nil {
		return command.Advise(&control.RunningError{PID: d.PID}, `see it with "panda cluster status", end it with "panda cluster down"`)
	}
	messages, err := os.CreateTemp("", "panda-cluster-*.log")
	if err != nil {
		return fmt.Errorf("run a cluster: %w", err)
	}
	defer messages.Close()
	defer os.Remove(messages.Name()) //nolint:errcheck // what is said later is said to nobody
	args := slices.DeleteFunc(slices.Clone(env.Args), func(arg string) bool { return strings.HasPrefix(arg, "--detach") })
	stay := exec.Command(program, append(args, "--detached")...) //nolint:gosec // this program
	stay.Dir, stay.Env, stay.Stderr = env.Dir, env.Environ(), messages
	stay.SysProcAttr = apart()
	output, err := stay.StdoutPipe()
	if err == nil {
		err = stay.Start()
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", filepath.Base(program), err)
	}
	defer context.AfterFunc(ctx, func() { _ = interrupt(stay.Process) })() // it may have ended
	_, copied := io.Copy(env.Stdout, output)
	if d, err := control.Find(folder); err == nil && d.PID == stay.Process.Pid && d.Network != "" {
		return errors.Join(copied, stay.Process.Release())
	}
	err = stay.Wait()
	if text, readErr := os.ReadFile(messages.Name()); readErr == nil {
		_, _ = env.Stderr.Write(text) // it has said there what is wrong
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return command.Silent(max(failed.ExitCode(), command.ExitFailed), err)
	}
	return errors.Join(err, copied)
}
