package consulcmd

import (
	"errors"
	"os"
)

// replace cannot be done here: a process has its program for life.
func replace(string, []string, []string) error { return errors.ErrUnsupported }

// interrupt does nothing: whoever presses Ctrl-C interrupts all processes of the console.
func interrupt(*os.Process) error { return nil }
