package child

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// usage reads the memory first: telling the rest takes some.
func usage() Usage {
	resident := residentBytes()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return Usage{Mallocs: memory.Mallocs, CPU: processorTime(), Resident: resident}
}

// residentBytes is zero where there is no /proc.
func residentBytes() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize()) //nolint:gosec // a page's size is positive
}
