package consulcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
)

// leaveTime is how long an interrupted Consul may take to leave its cluster before it is killed. Its own
// default is five seconds to tell the others, and five to drain.
const leaveTime = 30 * time.Second

// handOver runs the program with env's streams and environment. When the streams are those of the process, and
// the system can, the program takes the place of this process: signals and the exit code are then its own.
func handOver(ctx context.Context, env *command.Env, path string, args []string) error {
	environ := Marked(env.Environ())
	if ownStreams(env) {
		if err := replace(path, append([]string{path}, args...), environ); !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("run %s: %w", path, err)
		}
	}
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // the Consul that the user has, with the user's arguments
	cmd.Stdin, cmd.Stdout, cmd.Stderr = env.Stdin, env.Stdout, env.Stderr
	cmd.Env, cmd.Dir = environ, env.Dir
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = leaveTime
	err := cmd.Run()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.Exited() {
		return command.Silent(failed.ExitCode(), fmt.Errorf("consul ended with exit code %d", failed.ExitCode()))
	}
	if err != nil && cmd.ProcessState != nil && cmd.ProcessState.Success() {
		return nil // it was interrupted and ended well
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	return nil
}

// Marked adds the mark to an environment for Consul, by which panda knows that it was run in place of one.
func Marked(environ []string) []string {
	kept := make([]string, 0, len(environ)+1)
	for _, variable := range environ {
		if !strings.HasPrefix(variable, Mark+"=") {
			kept = append(kept, variable)
		}
	}
	return append(kept, Mark+"="+strconv.Itoa(os.Getpid()))
}

// ownStreams reports whether the streams are the process's own, which a program in its place would have.
func ownStreams(env *command.Env) bool {
	for number, stream := range []any{env.Stdin, env.Stdout, env.Stderr} {
		file, ok := stream.(*os.File)
		if !ok || file.Fd() != uintptr(number) {
			return false
		}
	}
	return true
}
