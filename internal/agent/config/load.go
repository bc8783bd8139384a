package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	formatJSON = "json"
	formatHCL  = "hcl"
)

// Options say what to read, in this order: of two values of a key the later counts, and lists are joined.
type Options struct {
	Before func(*Config) // settings to begin with, after the defaults; may be nil
	Paths  []string      // files, and folders whose files are read in the order of their names
	Format string        // "json" or "hcl" for files of any name; by the name's end when empty
	After  func(*Config) // settings that files do not change; may be nil
	Inline []string      // HCL
}

// Load reads what an agent is told. The warnings are of what has no effect. The error names every file and line that is
// wrong. Relative paths are the process's.
func Load(o Options) (*Config, []string, error) {
	if o.Format != "" && o.Format != formatJSON && o.Format != formatHCL {
		return nil, nil, errors.New("-config-format must be either 'hcl' or 'json'")
	}
	l := &loader{config: Default()}
	if o.Before != nil {
		o.Before(l.config)
	}
	var failed []error
	for _, path := range o.Paths {
		failed = append(failed, l.path(path, o.Format))
	}
	if o.After != nil {
		o.After(l.config)
	}
	for n, inline := range o.Inline {
		failed = append(failed, l.apply(fmt.Sprintf("flags-%d.hcl", n), formatHCL, []byte(inline)))
	}
	if err := errors.Join(failed...); err != nil {
		return nil, l.warnings, err
	}
	if err := l.config.Validate(); err != nil {
		return nil, l.warnings, err
	}
	if warning := l.config.WarnOfName(); warning != "" {
		l.warnings = append(l.warnings, warning)
	}
	return l.config, l.warnings, nil
}

type loader struct {
	config   *Config
	warnings []string
}

// path reads a file, or the files of a folder, not of the folders in it.
func (l *loader) path(path, format string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if !info.IsDir() {
		return l.file(path, format)
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	var failed []error
	for _, entry := range entries {
		at := filepath.Join(path, entry.Name())
		target, err := os.Stat(at)
		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("read configuration: %w", err))
		case target.Mode().IsRegular():
			failed = append(failed, l.file(at, format))
		}
	}
	return errors.Join(failed...)
}

func (l *loader) file(path, format string) error {
	if format == "" {
		format = strings.TrimPrefix(filepath.Ext(path), ".")
	}
	if !slices.Contains([]string{formatJSON, formatHCL}, format) {
		l.warnings = append(l.warnings, fmt.Sprintf("skipping file %s, extension must be .hcl or .json, or config format must be set", path))
		return nil
	}
	data, err := readBounded(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	return l.apply(path, format, data)
}

// readBounded returns one byte more than a file may have at the most, so that too much is seen.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // read only
	return io.ReadAll(io.LimitReader(file, maxFileSize+1))
}

func (l *loader) apply(name, format string, data []byte) error {
	root, problem := read(format, data)
	if problem != nil {
		problem.File = name
		return problem
	}
	r := &reader{file: name}
	decode(r, l.config, &root, agentKeys(), "", "")
	l.warnings = append(l.warnings, r.warnings...)
	return errors.Join(r.problems...)
}
