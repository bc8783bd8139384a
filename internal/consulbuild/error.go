package consulbuild

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Reason is why an installation failed, as far as a user can do something about it.
type Reason int

// The reasons. Unknown is what the go command's own words have to explain.
const (
	Unknown Reason = iota
	NoGo
	Offline
	DiskFull
)

// Error is a failed installation. Nothing of it was left behind.
type Error struct {
	Reason Reason
	Act    string // what was tried
	Output string // the end of what the go command said; may be empty
	Err    error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("build Consul %s: %s: %v", Version, e.Act, e.Err)
	if e.Output != "" {
		text += "\n" + e.Output
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func explain(act string, err error, output string) error {
	return &Error{Reason: reasonOf(err, output), Act: act, Output: output, Err: err}
}

// reasonOf recognizes what the system and the go command say, on each system.
func reasonOf(err error, output string) Reason {
	switch {
	case errors.Is(err, syscall.ENOSPC), containsAny(output, "no space left on device", "not enough space on the disk", "disk quota exceeded"):
		return DiskFull
	case containsAny(output, "no such host", "connection refused", "network is unreachable", "i/o timeout", "TLS handshake timeout",
		"proxyconnect", "GOPROXY list is not the empty string, but contains no entries", "module lookup disabled by GOPROXY=off",
		"Temporary failure in name resolution", "connection reset by peer"):
		return Offline
	}
	return Unknown
}

func containsAny(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
