package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/uuid"
)

const (
	lockName   = "lock"
	nodeIDName = "node-id" // as in Consul's data dir
)

// prepare makes the folder if there is none and locks it. unlock lets another agent use it.
func prepare(dir string) (unlock func() error, err error) {
	for _, sign := range []string{"raft", "serf"} {
		if _, err := os.Stat(filepath.Join(dir, sign)); err == nil {
			return nil, fmt.Errorf("use data dir %s: it belongs to a real Consul (it has a folder %q), which this agent can neither read nor share; "+
				"choose another folder for -data-dir", dir, sign)
		}
	}
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("make data dir: %w", err)
	}
	path := filepath.Join(dir, lockName)
	unlock, err = lock(path)
	if errors.Is(err, errLocked) {
		owner := "another agent"
		if pid, err := os.ReadFile(path); err == nil && len(pid) > 0 { //nolint:gosec // in the folder that the user names
			owner += ", process " + strings.TrimSpace(string(pid))
		}
		return nil, fmt.Errorf("use data dir %s: %s, uses it; stop that one or choose another folder", dir, owner)
	}
	if err != nil {
		return nil, fmt.Errorf("lock data dir: %w", err)
	}
	return unlock, nil
}

// makeFolder makes the folder and those above it, each of them to last.
func makeFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

var idForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// keptNodeID returns the ID that the folder keeps, or "".
func keptNodeID(d disk) (string, error) {
	kept, err := os.ReadFile(d.Path(nodeIDName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the node's ID: %w", err)
	}
	id := strings.ToLower(strings.TrimSpace(string(kept)))
	if !idForm.MatchString(id) {
		return "", fmt.Errorf("read the node's ID: %s holds %.50q, not a UUID; remove the file to get a new one", d.Path(nodeIDName), kept)
	}
	return id, nil
}

// newNodeID makes an ID that the folder keeps from now on.
func newNodeID(d disk) (string, error) {
	id := uuid.New()
	if err := writeWhole(d, nodeIDName, []byte(id)); err != nil {
		return "", fmt.Errorf("write the node's ID: %w", err)
	}
	return id, nil
}

// writeWhole makes a file with that content, or none.
func writeWhole(d disk, name string, content []byte) error {
	return replaceFile(d, name, func(f file) error {
		_, err := f.WriteAt(content, 0)
		return err
	})
}

// writePID tells others who has locked the file. That it cannot is no reason not to start.
func writePID(f *os.File) {
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
}
