package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Exit is how a container's process ended.
type Exit struct {
	Code   int
	Killed bool // by force: it outlived its grace, or memory ran out
}

// killed is the exit code of a process that SIGKILL ended.
const killed = 128 + 9

// Stop sends a container its stop signal, SIGTERM unless it has another, and waits for its end: for grace, rounded up to
// seconds, before the engine kills it. One that has ended already is told by how it did. After the signal was sent, the end of
// ctx only ends the waiting.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) (Exit, error) {
	bounded, cancel := context.WithTimeout(ctx, grace+e.ask)
	defer cancel()
	act := fmt.Sprintf("stop container %q", id)
	wait := e.api.ContainerWait(bounded, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	seconds := int((grace + time.Second - 1) / time.Second)
	if _, err := e.api.ContainerStop(bounded, id, client.ContainerStopOptions{Timeout: &seconds}); err != nil {
		return Exit{}, e.missing(ctx, act, "container", id, err)
	}
	select {
	case ended := <-wait.Result:
		if ended.Error != nil && ended.Error.Message != "" {
			return Exit{}, fmt.Errorf("%s: %s", act, ended.Error.Message)
		}
		return Exit{Code: int(ended.StatusCode), Killed: ended.StatusCode == killed}, nil
	case err := <-wait.Error:
		return Exit{}, e.missing(ctx, act, "container", id, err)
	}
}

// Remove removes a container, running or not, and leaves its volumes. One that is not there any more is no error.
func (e *Engine) Remove(ctx context.Context, id string) error {
	return e.remove(ctx, id, client.ContainerRemoveOptions{Force: true})
}

// discard removes what was half made, with the volumes that only it had; it is bounded by itself, for its caller may have
// been interrupted.
func (e *Engine) discard(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	return e.remove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
}

func (e *Engine) remove(ctx context.Context, id string, options client.ContainerRemoveOptions) error {
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	_, err := e.api.ContainerRemove(bounded, id, options)
	if errdefs.IsConflict(err) { // the engine is removing it already, as it does with those of "run --rm"
		wait := e.api.ContainerWait(bounded, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
		select {
		case <-wait.Result:
			return nil
		case err = <-wait.Error:
		}
	}
	if err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	return e.explain(ctx, fmt.Sprintf("remove container %q", id), err)
}

// logLimit bounds what is read of a container's logs.
const logLimit = 256 << 10

// Logs returns the last lines that a container has written, of both its streams, without a line feed at the end.
func (e *Engine) Logs(ctx context.Context, id string, lines int) (string, error) {
	found, err := e.inspect(ctx, id)
	if err != nil {
		return "", err
	}
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	act := fmt.Sprintf("read the logs of container %q", id)
	stream, err := e.api.ContainerLogs(bounded, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines)})
	if err != nil {
		return "", e.missing(ctx, act, "container", id, err)
	}
	defer stream.Close()
	var text bytes.Buffer
	limited := io.LimitReader(stream, logLimit)
	if found.Config.Tty {
		_, err = text.ReadFrom(limited)
	} else {
		_, err = stdcopy.StdCopy(&text, &text, limited)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", e.explain(ctx, act, err)
	}
	return strings.TrimRight(text.String(), "\r\n"), nil
}
