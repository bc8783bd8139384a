// Package command is what every command of the tree is built on: the process's arguments, streams and
// environment as values, the exit codes, and the printing of listings. It holds no command itself and
// never touches os.Args, os.Exit or the standard streams.
package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// The exit codes of the command, the same everywhere.
const (
	ExitDone     = 0
	ExitFailed   = 1
	ExitUsage    = 2
	ExitFindings = 3 // a check ran and found something: lint, breaking, stale files
)

// Env is everything that a command takes from its process. Commands read nothing else.
type Env struct {
	Program string   // the name that it was called by, with or without folders
	Args    []string // without the program's name
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
	Environ func() []string // for programs that a command starts
	Dir     string          // the working directory
	Color   bool            // standard output is a terminal that shows colours
}

// exitError carries an exit code with an error.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Usage marks err as a wrong use of the command: exit code 2.
func Usage(err error) error { return &exitError{ExitUsage, usageError{err}} }

// Usagef is Usage of a formatted error.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// Findings marks err as the findings of a check: exit code 3.
func Findings(err error) error { return &exitError{ExitFindings, err} }

// adviceError carries, beside an error, what the user can do about it.
type adviceError struct {
	err    error
	advice string
}

func (e *adviceError) Error() string { return e.err.Error() }
func (e *adviceError) Unwrap() error { return e.err }

// Advise adds to err one sentence that tells the user what to do; it is printed on a line of its own.
func Advise(err error, advice string) error { return &adviceError{err, advice} }

// Advice returns the sentence that Advise added, or "".
func Advice(err error) string {
	if a, ok := errors.AsType[*adviceError](err); ok {
		return a.advice
	}
	return ""
}

// ExitCode returns the code for what a command returned.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return ExitFailed
}

// PrintJSON writes v as indented JSON, characters like < and & left as they are.
func (e *Env) PrintJSON(v any) error {
	encoder := json.NewEncoder(e.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// PrintTable writes aligned columns under a header; no line ends in spaces. What could steer a terminal, or break a
// line, is written as a space: cells hold what others have registered.
func (e *Env) PrintTable(header []string, rows [][]string) error {
	var aligned, trimmed bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, Plain(cell))
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range bytes.Lines(aligned.Bytes()) {
		trimmed.Write(bytes.TrimRight(line, " \n"))
		trimmed.WriteByte('\n')
	}
	_, err := trimmed.WriteTo(e.Stdout)
	return err
}
