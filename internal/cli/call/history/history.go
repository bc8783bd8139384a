// Package history keeps the calls that a person has made, in a file of the person's own, so that they can be made again.
// What looks like a credential never gets into it. It never makes a call, and reads no environment but what it is given.
package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The bounds of the file.
const (
	MostEntries = 200       // that are listed
	maxEntry    = 16 << 10  // bytes; the JSON of a larger call is not kept
	maxFile     = 512 << 10 // bytes; then the oldest entries are dropped
	fileName    = "calls.jsonl"
)

const tooLarge = "it is too large"

// Entry is a call.
type Entry struct {
	Time     time.Time         `json:"time"`
	Service  string            `json:"service"`
	Method   string            `json:"method"`
	Data     string            `json:"data,omitempty"`     // the messages as JSON, or @ and the path of a file
	Omitted  string            `json:"omitted,omitempty"`  // why Data is missing
	Flags    map[string]string `json:"flags,omitempty"`    // that were given, metadata apart
	Metadata []string          `json:"metadata,omitempty"` // key=value
	Withheld []string          `json:"withheld,omitempty"` // keys of metadata whose values were not kept
}

// File is the history of one person. The zero value keeps nothing. Several processes may use the same file at once.
type File struct{ path string }

// Open returns the history that the environment names: in $XDG_STATE_HOME/panda, or where the system has such files. With
// PANDA_HISTORY=off, or without a home folder, it is one that keeps nothing. It opens nothing yet.
func Open(goos string, getenv func(string) string) File {
	if slices.Contains([]string{"off", "no", "false", "0"}, strings.ToLower(getenv("PANDA_HISTORY"))) {
		return File{}
	}
	base, below := stateFolder(goos, getenv)
	if !filepath.IsAbs(base) {
		return File{}
	}
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		return File{} // a home that does not exist is not for us to make
	}
	return File{filepath.Join(base, below, "panda", fileName)}
}

// stateFolder returns a folder that the person has, and the one below it where programs keep their state.
func stateFolder(goos string, getenv func(string) string) (base, below string) {
	if folder := getenv("XDG_STATE_HOME"); folder != "" {
		return folder, ""
	}
	switch goos {
	case "windows":
		return getenv("LOCALAPPDATA"), ""
	case "darwin":
		return getenv("HOME"), filepath.Join("Library", "Application Support")
	}
	return getenv("HOME"), filepath.Join(".local", "state")
}

// Path returns where the file is, "" when nothing is kept.
func (f File) Path() string { return f.path }

// Add keeps a call. What looks like a credential is taken out of it before.
func (f File) Add(e Entry) error {
	if f.path == "" {
		return nil
	}
	if len(e.Data) > maxEntry {
		e.Data, e.Omitted = "", tooLarge
	}
	e = e.withoutSecrets()
	line, err := json.Marshal(e)
	if err == nil && len(line) > maxEntry {
		e.Data, e.Omitted = "", tooLarge
		line, err = json.Marshal(e)
	}
	if err != nil || len(line) > maxEntry {
		return err // what is still too large is not worth keeping
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	return f.append(line)
}

// append writes a line at once, so that lines of several processes do not mix. The line break before it ends one that a
// process that was killed has left unfinished.
func (f File) append(line []byte) error {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	whole := append([]byte("\n"), append(line, '\n')...)
	info, err := file.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = file.Chmod(0o600)
	}
	if err == nil && info.Size() < 4*maxFile { // shrink has not worked for long
		_, err = file.Write(whole)
	}
	if err = errors.Join(err, file.Close()); err != nil || info.Size() < maxFile {
		return err
	}
	return f.shrink()
}

// shrink drops the oldest entries. One that another process adds at that very moment may be lost; none is damaged.
func (f File) shrink() error {
	entries, err := f.Entries()
	if err != nil {
		return err
	}
	var kept [][]byte // the newest first
	for size := 0; len(entries) > 0; entries = entries[:len(entries)-1] {
		line, err := json.Marshal(entries[len(entries)-1])
		if err != nil {
			return err
		}
		if size += len(line); size > maxFile/2 {
			break
		}
		kept = append(kept, append(line, '\n'))
	}
	slices.Reverse(kept)
	fresh, err := os.CreateTemp(filepath.Dir(f.path), fileName+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.Write(bytes.Join(kept, nil))
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}

// Entries returns the calls that were kept, the oldest first. Lines that are damaged are left out.
func (f File) Entries() ([]Entry, error) {
	if f.path == "" {
		return nil, nil
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history of calls: %w", err)
	}
	defer file.Close()
	return read(file)
}

func read(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewScanner(io.LimitReader(r, 8*maxFile))
	lines.Buffer(make([]byte, 0, maxEntry), 8*maxFile)
	for lines.Scan() {
		var e Entry
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || json.Unmarshal(line, &e) != nil || e.Service == "" || e.Method == "" {
			continue
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the history of calls: %w", err)
	}
	return entries[max(0, len(entries)-MostEntries):], nil
}
