// Package control is how other programs of the same user talk to a running workspace: a small API of JSON over HTTP, on a
// Unix socket in a folder that only this user may enter, or, where there is no such socket, on a port of loopback
// with a secret that only this user can read. It never listens beyond that, and decides nothing itself.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
)

// Bounds of what is read.
const (
	maxBody        = 64 << 10 // of a request, in bytes
	maxDescription = 64 << 10
	maxAnswer      = 16 << 20
	maxRunning     = 1000 // workspaces that are looked at
)

// purpose is what the folder is for, in errors.
const purpose = "running workspaces"

// Description is what a running workspace leaves in the folder for those who look for it.
type Description struct {
	PID      int       `json:"pid"`
	Folders  []string  `json:"folders"` // of the workspace, absolute
	Dir      string    `json:"dir"`     // where it was started
	Registry string    `json:"registry"`
	Started  time.Time `json:"started"`
	Network  string    `json:"network"` // unix or tcp
	Address  string    `json:"address"`
	Token    string    `json:"token,omitempty"` // of tcp
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
	text := err.Error()
	if failed, ok := errors.AsType[*build.Error](err); ok {
		var all []string
		for _, failure := range failed.Failures {
			all = append(all, failure.Error())
		}
		text = strings.Join(all, "\n")
	}
	return &Error{Text: text, Wrong: unknown || refused, Unknown: unknown}
}

// Folder returns the folder for running workspaces, which need not exist: below XDG_RUNTIME_DIR where that is set, else
// one of this user's among the temporary files. getenv is the environment.
func Folder(getenv func(string) string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" && filepath.IsAbs(dir) {
		return filepath.Join(dir, "panda")
	}
	if runtime.GOOS == "windows" {
		if dir := getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, "panda", "run")
		}
	}
	return filepath.Join(os.TempDir(), "panda-"+strconv.Itoa(os.Getuid()))
}

func descriptionFile(folder string, pid int) string {
	return filepath.Join(folder, strconv.Itoa(pid)+".json")
}

func socketFile(folder string, pid int) string {
	return filepath.Join(folder, strconv.Itoa(pid)+".sock")
}

// read returns the description in a file.
func read(path string) (*Description, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxDescription {
		return nil, fmt.Errorf("read %s: %w", path, fs.ErrInvalid)
	}
	text, err := os.ReadFile(path) //nolint:gosec // in the folder of this user's
	if err != nil {
		return nil, err
	}
	d := new(Description)
	if err := json.Unmarshal(text, d); err != nil || d.PID <= 0 || d.Network != "unix" && d.Network != "tcp" {
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
