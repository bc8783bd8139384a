package up

import (
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// foreground is always so: a console has no background.
func foreground(*os.File) bool { return true }

// waitForInput reports whether there is something to read within the time.
func waitForInput(input *os.File, wait time.Duration) (bool, error) {
	event, err := windows.WaitForSingleObject(windows.Handle(input.Fd()), uint32(wait.Milliseconds())) //nolint:gosec // it fits
	return event == windows.WAIT_OBJECT_0, err
}
