package check

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// pipePatience is how long a program that has ended, or was killed, may keep its output open through others that it
// started.
const pipePatience = time.Second

// probeScript runs the program, without a shell and in a process group of its own, which is killed when ctx is done.
func (d *Definition) probeScript(ctx context.Context) Result {
	command := exec.CommandContext(ctx, d.Script[0], d.Script[1:]...) //nolint:gosec // whoever may register scripts is told by a switch
	output := &tail{most: d.outputMax()}
	command.Stdout, command.Stderr = output, output
	command.WaitDelay = pipePatience
	isolate(command)
	err := command.Run()
	text := output.String()
	if output.cut() {
		text = fmt.Sprintf("Captured %d of %d bytes\n...\n%s", len(output.kept), output.total, text)
	}
	switch {
	case command.ProcessState == nil:
		return critical(err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Result{consulwire.Critical, timedOut(d.timeout(), text)}
	}
	return Result{scriptStatus(command.ProcessState.ExitCode()), text}
}

func timedOut(after time.Duration, output string) string {
	message := fmt.Sprintf("Timed out (%s) running check", after)
	if output != "" {
		message += "\n\n" + output
	}
	return message
}

func scriptStatus(code int) string {
	switch code {
	case 0:
		return consulwire.Passing
	case 1:
		return consulwire.Warning
	}
	return consulwire.Critical
}
