// Package control is how other programs of the same user find and steer a running workspace: a description in a folder that only this
// user may enter, and requests on the socket that it names. It decides nothing itself.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/controlsocket"
	"github.com/pandakit/panda/internal/privatefolder"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
)

// maxRunning bounds how many workspaces are looked at.
const maxRunning = 1000

// purpose is what the folder is for, in errors.
const purpose = "running workspaces"

// Description is what a running workspace leaves in the folder for those who look for it.
type Description struct {
	PID      int       `json:"pid"`
	Folders  []string  `json:"folders"` // of the workspace, absolute
	Dir      string    `json:"dir"`     // where it was started
	Registry string    `json:"registry"`
	Started  time.Time `json:"started"`

	controlsocket.Place
}

// Status is what a running workspace tells of itself.
type Status struct {
	PID      int                       `json:"pid"`
	Folders  []string                  `json:"folders"`
	Registry string                    `json:"registry"`
	Started  time.Time                 `json:"started"`
	Services []workspace.ServiceStatus `json:"services"`
}

// The bodies of requests.
type (
	servicesRequest struct {
		Services []string `json:"services"`
	}
	scaleRequest struct {
		Replicas map[string]int `json:"replicas"`
	}
	attachRequest struct {
		Service string `json:"service"`
		Address string `json:"address,omitempty"`
	}
	attachAnswer struct {
		Address string `json:"address"`
	}
	stopAnswer struct {
		Killed string `json:"killed,omitempty"` // what went wrong in the drain
	}
)

// Error is what a running workspace answers to a request that it does not carry out.
type Error struct {
	Text string `json:"error"`
	// Wrong says that the request makes no sense, as opposed to what went wrong as it was carried out.
	Wrong bool `json:"wrong"`
	// Unknown says that there is no service, or instance, of the name that was given.
	Unknown bool `json:"unknown,omitempty"`
}

func (e *Error) Error() string { return e.Text }

func errorOf(err error) *Error {
	_, unknownService := errors.AsType[*workspace.UnknownServiceError](err)
	_, unknownInstance := errors.AsType[*workspace.UnknownInstanceError](err)
	unknown := unknownService || unknownInstance
	_, refused := errors.AsType[*workspace.RefusedError](err)
	_, unread := errors.AsType[*controlsocket.RequestError](err)
	text := err.Error()
	if failed, ok := errors.AsType[*build.Error](err); ok {
		var all []string
		for _, failure := range failed.Failures {
			all = append(all, failure.Error())
		}
		text = strings.Join(all, "\n")
	}
	return &Error{Text: text, Wrong: unknown || refused || unread, Unknown: unknown}
}

// Folder returns this user's folder for running workspaces, which need not exist. getenv is the environment.
func Folder(getenv func(string) string) string {
	return privatefolder.Path(getenv, "panda", filepath.Join("panda", "run"))
}

func descriptionFile(folder string, pid int) string {
	return filepath.Join(folder, strconv.Itoa(pid)+".json")
}

func socketFile(folder string, pid int) string {
	return filepath.Join(folder, strconv.Itoa(pid)+".sock")
}

// read returns the description in a file.
func read(path string) (*Description, error) {
	d := new(Description)
	if err := privatefolder.Read(path, d); err != nil {
		return nil, err
	}
	if d.PID <= 0 || d.Network != "unix" && d.Network != "tcp" {
		return nil, fmt.Errorf("read %s: %w", path, fs.ErrInvalid)
	}
	return d, nil
}

// write puts a description where others look for it, in one step.
func write(folder string, d *Description) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	path := descriptionFile(folder, d.PID)
	fresh := strings.TrimSuffix(path, ".json") + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
