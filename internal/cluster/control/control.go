// Package control is how other programs of the same user find and steer the cluster that runs: a description in a folder that
// only this user may enter, and requests on the socket that it names. It also removes what a cluster has left that was killed. It
// starts nothing.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pandakit/panda/internal/controlsocket"
	"github.com/pandakit/panda/internal/netns"
	"github.com/pandakit/panda/internal/privatefolder"
	"github.com/pandakit/panda/internal/processid"
)

const descriptionName = "run.json"

// purpose is what the folder is for, in errors.
const purpose = "the cluster"

// Description is what a cluster that runs leaves for those who look for it.
type Description struct {
	processid.ID

	Nodes   []processid.ID `json:"nodes,omitempty"`
	Lab     string         `json:"lab,omitempty"` // the network's name
	Data    string         `json:"data"`          // the folder
	OwnData bool           `json:"own_data"`      // the folder goes with the cluster

	controlsocket.Place // the zero value until it can be steered
}

// Folder returns this user's folder for the cluster that runs, which need not exist. getenv is the environment.
func Folder(getenv func(string) string) string {
	return privatefolder.Path(getenv, "panda-cluster", filepath.Join("panda", "cluster"))
}

// RunningError says that a cluster of this user runs already.
type RunningError struct{ PID int }

func (e *RunningError) Error() string {
	return fmt.Sprintf("a cluster of yours is running already: process %d", e.PID)
}

// ErrNone says that no cluster runs.
var ErrNone = errors.New("no cluster is running")

// ErrStale says that a cluster was killed, and has left something behind.
var ErrStale = errors.New("the cluster was killed, and has left something behind")

// Claim makes this process the one that runs the user's cluster, of whose things it then tells by Update; it gives the folder
// back by Release. What a killed one has left is removed before. The error is a *[RunningError] when there is another.
func Claim(ctx context.Context, folder string) (*Claimed, error) {
	if _, err := Clean(ctx, folder); err != nil {
		return nil, err
	}
	if err := privatefolder.Make(folder, purpose); err != nil {
		return nil, err
	}
	c := &Claimed{folder: folder, description: Description{ID: processid.Of(os.Getpid())}}
	fresh, err := c.write()
	if err != nil {
		return nil, err
	}
	defer os.Remove(fresh)                                                           //nolint:errcheck // it has another name by then, or none is needed
	if err := os.Link(fresh, descriptionFile(folder)); errors.Is(err, fs.ErrExist) { // whoever comes first has it
		d, err := read(folder)
		if err != nil {
			return nil, err
		}
		return nil, &RunningError{d.PID}
	} else if err != nil {
		return nil, fmt.Errorf("claim %s: %w", folder, err)
	}
	return c, nil
}

// Claimed is a folder that this process has. Its methods are for one goroutine.
type Claimed struct {
	folder      string
	description Description
}

// Update changes what the folder tells of the cluster.
func (c *Claimed) Update(change func(*Description)) error {
	change(&c.description)
	fresh, err := c.write()
	if err != nil {
		return err
	}
	return os.Rename(fresh, descriptionFile(c.folder))
}

func (c *Claimed) write() (string, error) {
	text, err := json.Marshal(c.description)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.folder, fmt.Sprintf("run-%d.new", os.Getpid()))
	return path, os.WriteFile(path, text, 0o600)
}

// Release gives the folder back. The cluster must be gone.
func (c *Claimed) Release() {
	_ = os.Remove(descriptionFile(c.folder))
	_ = os.Remove(c.folder) // unless there is a log
}

// Find returns the description of the cluster that runs. The errors are [ErrNone] and [ErrStale].
func Find(folder string) (*Description, error) {
	if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err := privatefolder.Check(folder, purpose); err != nil {
		return nil, err
	}
	d, err := read(folder)
	if err == nil && !d.Alive() {
		return d, ErrStale
	}
	return d, err
}

// Clean removes what a killed cluster has left: nodes that still run, its network, its data if that was not the user's. It
// reports whether there was any, and is a *[RunningError] when the cluster runs.
func Clean(ctx context.Context, folder string) (bool, error) {
	d, err := Find(folder)
	switch {
	case errors.Is(err, ErrNone):
		return false, nil
	case err == nil:
		return false, &RunningError{d.PID}
	case !errors.Is(err, ErrStale):
		return false, err
	}
	for _, n := range d.Nodes {
		if n.Alive() {
			if p, err := os.FindProcess(n.PID); err == nil {
				_ = p.Kill() // it may have ended meanwhile
			}
		}
	}
	if d.Lab != "" {
		lab, err := netns.Open(ctx, d.Lab)
		if err == nil {
			err = lab.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return true, fmt.Errorf("remove the network of a killed cluster: %w", err)
		}
	}
	if d.OwnData {
		if err := os.RemoveAll(d.Data); err != nil {
			return true, fmt.Errorf("remove the data of a killed cluster: %w", err)
		}
	}
	_ = os.Remove(socketFile(folder)) // it may not have listened
	err = os.Remove(descriptionFile(folder))
	_ = os.Remove(folder) // unless somebody is about to claim it
	return true, err
}

func descriptionFile(folder string) string { return filepath.Join(folder, descriptionName) }

func socketFile(folder string) string { return filepath.Join(folder, "control.sock") }

func read(folder string) (*Description, error) {
	path, d := descriptionFile(folder), new(Description)
	err := privatefolder.Read(path, d)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNone
	case errors.Is(err, fs.ErrInvalid) || err == nil && d.PID <= 0:
		return nil, fmt.Errorf("read %s: it is no description of a cluster; remove it", path)
	case err != nil:
		return nil, err
	}
	return d, nil
}

// waitInterval is how often is looked whether a cluster has gone.
const waitInterval = 20 * time.Millisecond

// Gone waits until a cluster has ended and released the folder, or left it stale.
func Gone(ctx context.Context, folder string) error {
	tick := time.NewTicker(waitInterval)
	defer tick.Stop()
	for {
		if _, err := Find(folder); err != nil {
			return nil // what is left is not for us to tell
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
