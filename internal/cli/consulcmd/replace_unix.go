//go:build unix

package consulcmd

import (
	"os"

	"golang.org/x/sys/unix"
)

// replace puts a program in the place of this process. It returns only when that went wrong.
func replace(path string, args, environ []string) error { return unix.Exec(path, args, environ) }

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }
