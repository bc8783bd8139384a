package child

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// usage reads the memory first: telling the rest takes some.
func usage() Usage {
	resident, private := memory()
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	return Usage{Mallocs: heap.Mallocs, CPU: processorTime(), Resident: resident, Private: private}
}

// memory returns bytes; zeros where there is no /proc.
func memory() (resident, private uint64) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0
	}
	return parseMemory(string(text), uint64(os.Getpagesize())) // a page's size is positive
}

// parseMemory reads "total resident shared ...", in pages.
func parseMemory(statm string, page uint64) (resident, private uint64) {
	fields := strings.Fields(statm)
	if len(fields) < 3 {
		return 0, 0
	}
	all, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0, 0
	}
	shared, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil || shared > all {
		return 0, 0
	}
	return all * page, (all - shared) * page
}
