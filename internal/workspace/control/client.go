package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/controlsocket"
	"github.com/pandakit/panda/internal/privatefolder"
	"github.com/pandakit/panda/internal/workspace/tail"
)

// NoneError says that no workspace runs, or none of several has to do with a folder.
type NoneError struct {
	Dir     string
	Running [][]string // folders of those that do
}

func (e *NoneError) Error() string {
	if len(e.Running) == 0 {
		return "no panda up is running"
	}
	var all []string
	for _, folders := range e.Running {
		all = append(all, strings.Join(folders, " and "))
	}
	return fmt.Sprintf("no panda up is running for %s; those that run are for %s", e.Dir, strings.Join(all, "; "))
}

// TwiceError says that several workspaces run for one folder.
type TwiceError struct {
	Dir  string
	PIDs []int
}

func (e *TwiceError) Error() string {
	return fmt.Sprintf("several panda up run for %s: processes %s", e.Dir, strings.Trim(fmt.Sprint(e.PIDs), "[]"))
}

// Client talks to one running workspace. Its methods may be called from several goroutines.
type Client struct {
	description Description
	socket      *controlsocket.Client
}

// Find returns a client of the workspace that has to do with dir: its folder, or the one it was started in, is dir or
// the nearest around it; else of the only one that runs. folder is where running workspaces are. What one that ended
// without cleaning up has left there is removed. The errors are a *[NoneError] and a *[TwiceError].
func Find(folder, dir string) (*Client, error) {
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	running, err := all(folder)
	if err != nil {
		return nil, err
	}
	for at := dir; ; at = filepath.Dir(at) {
		var here []*Description
		for _, d := range running {
			if slices.Contains(d.Folders, at) || d.Dir == at {
				here = append(here, d)
			}
		}
		if len(here) > 1 {
			twice := &TwiceError{Dir: at}
			for _, d := range here {
				twice.PIDs = append(twice.PIDs, d.PID)
			}
			return nil, twice
		}
		if len(here) == 1 {
			return newClient(here[0]), nil
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	if len(running) == 1 {
		return newClient(running[0]), nil
	}
	none := &NoneError{Dir: dir}
	for _, d := range running {
		none.Running = append(none.Running, d.Folders)
	}
	return nil, none
}

// all returns those that run, by process ID.
func all(folder string) ([]*Description, error) {
	err := privatefolder.Check(folder, purpose)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(globbed(folder), "*.json"))
	if err != nil {
		return nil, err
	}
	var running []*Description
	for _, file := range files[:min(len(files), maxRunning)] {
		d, err := read(file)
		if err != nil {
			continue // it is being written, or is none of ours
		}
		if !d.Listens() {
			_ = os.Remove(file) // it may be gone already
			_ = os.Remove(socketFile(folder, d.PID))
			continue
		}
		running = append(running, d)
	}
	slices.SortFunc(running, func(a, b *Description) int { return a.PID - b.PID })
	return running, nil
}

// globbed makes a path stand for itself in a pattern.
func globbed(path string) string {
	if os.PathSeparator == '\\' {
		return path // there is no way to, and no need for the folders of a user
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func newClient(d *Description) *Client { return &Client{*d, controlsocket.NewClient(d.Place)} }

// Description returns what the workspace has told of itself.
func (c *Client) Description() Description { return c.description }

// Status asks how the services are.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	status := new(Status)
	return status, c.do(ctx, http.MethodGet, "/v1/status", nil, status)
}

// Restart gives the services new instances; see [workspace.Runner.Restart]. Errors of the workspace are an *[Error].
func (c *Client) Restart(ctx context.Context, services []string) error {
	return c.do(ctx, http.MethodPost, "/v1/restart", servicesRequest{services}, nil)
}

// Scale makes so many instances run of each service named; see [workspace.Runner.Scale].
func (c *Client) Scale(ctx context.Context, replicas map[string]int) error {
	return c.do(ctx, http.MethodPost, "/v1/scale", scaleRequest{replicas}, nil)
}

// Stop drains the services, or everything when none is named, and returns when that is done.
func (c *Client) Stop(ctx context.Context, services []string) error {
	return c.do(ctx, http.MethodPost, "/v1/stop", servicesRequest{services}, nil)
}

// Attach lets an instance that was started elsewhere stand in for the service's own; see [workspace.Runner.Attach].
func (c *Client) Attach(ctx context.Context, service, address string) (string, error) {
	var out attachAnswer
	err := c.do(ctx, http.MethodPost, "/v1/attach", attachRequest{service, address}, &out)
	return out.Address, err
}

// Detach ends what Attach began.
func (c *Client) Detach(ctx context.Context, service string) error {
	return c.do(ctx, http.MethodPost, "/v1/detach", attachRequest{Service: service}, nil)
}

// Logs passes on the last n lines of the services, of all when there are none, and with follow each new one until ctx
// is done or the workspace ends, which is no error.
func (c *Client) Logs(ctx context.Context, services []string, n int, follow bool, each func(tail.Line) error) error {
	query := url.Values{"n": {strconv.Itoa(n)}, "service": services}
	if follow {
		query.Set("follow", "1")
	}
	response, err := c.send(ctx, http.MethodGet, "/v1/logs?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for decoder := json.NewDecoder(response.Body); ; {
		var line tail.Line
		err := decoder.Decode(&line)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		default:
			return fmt.Errorf("read lines of panda up: %w", err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	return c.explain(ctx, c.socket.Do(ctx, method, path, in, out, new(Error)))
}

// send returns an answer that is good; the caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	response, err := c.socket.Send(ctx, method, path, in, new(Error))
	return response, c.explain(ctx, err)
}

// explain says who was asked, when that did not answer.
func (c *Client) explain(ctx context.Context, err error) error {
	if _, told := errors.AsType[*Error](err); err == nil || told || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("ask panda up, process %d: %w", c.description.PID, err)
}
