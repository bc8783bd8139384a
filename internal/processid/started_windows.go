package processid

import (
	"strconv"

	"golang.org/x/sys/windows"
)

// startOf returns when a process was started; ok is false when there is none.
func startOf(pid int) (started string, ok bool) {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid)) //nolint:gosec // a process ID fits
	if err != nil {
		return "", false
	}
	defer windows.CloseHandle(process) //nolint:errcheck // nothing to do about it
	var begin, end, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(process, &begin, &end, &kernel, &user); err != nil || end.Nanoseconds() > begin.Nanoseconds() {
		return "", false
	}
	return strconv.FormatInt(begin.Nanoseconds(), 10), true
}
