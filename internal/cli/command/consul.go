package command

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
)

// CalledConsul reports whether the program was called as "consul", by a link or a copy of that name. It then
// behaves as Consul does where the two differ.
func (e *Env) CalledConsul() bool {
	name := filepath.Base(filepath.ToSlash(e.Program))
	if runtime.GOOS == "windows" {
		name = strings.ToLower(name)
	}
	return name == "consul" || name == "consul.exe"
}

// verbatimError is printed without the program's name in front.
type verbatimError struct{ error }

func (e verbatimError) Unwrap() error { return e.error }

// Verbatim marks err as one whose text is Consul's, which scripts may look for: it is printed as it is.
func Verbatim(err error) error { return verbatimError{err} }

// IsVerbatim reports whether err was marked by [Verbatim].
func IsVerbatim(err error) bool {
	_, ok := errors.AsType[verbatimError](err)
	return ok
}

// AdviseRegistry adds to err how to get a registry that answers.
func AdviseRegistry(err error) error { return Advise(err, startRegistry) }

// The annotations of commands that take Consul's flags.
const (
	consulFlags = "consul-flags"
	endsFlags   = "ends-flags"
)

// ConsulFlags returns the annotations of a command that takes long flags with one dash, as Consul's own
// commands do: "-recurse" beside "--recurse".
func ConsulFlags() map[string]string { return map[string]string{consulFlags: "yes"} }

// LeadingConsulFlags is ConsulFlags of a command whose flags all come before its arguments, so that an
// argument may begin with a dash.
func LeadingConsulFlags() map[string]string {
	return map[string]string{consulFlags: "yes", endsFlags: "yes"}
}

// HasConsulFlags reports whether a command with these annotations takes long flags with one dash.
func HasConsulFlags(annotations map[string]string) bool { return annotations[consulFlags] != "" }

// EndsFlags reports whether a command with these annotations takes no flag after an argument.
func EndsFlags(annotations map[string]string) bool { return annotations[endsFlags] != "" }

// Exit gives err an exit code of its own, where Consul's commands have one that scripts may look for.
func Exit(code int, err error) error { return &exitError{code, err} }

// silentError has been told to the user by the program that failed.
type silentError struct{ error }

func (e silentError) Unwrap() error { return e.error }

// Silent gives err an exit code and keeps it from being printed: a program that the command ran has said
// what there is to say.
func Silent(code int, err error) error { return Exit(code, silentError{err}) }

// IsSilent reports whether err was made by [Silent].
func IsSilent(err error) bool {
	_, ok := errors.AsType[silentError](err)
	return ok
}

// usageError tells wrong usage from another error with the same exit code.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// IsUsage reports whether err was made by [Usage].
func IsUsage(err error) bool {
	_, ok := errors.AsType[usageError](err)
	return ok
}
