package measure

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is the shape of what was measured on; nothing in it tells which machine it was.
type Machine struct {
	Cores  int
	Memory uint64 // bytes; zero where the platform does not tell
	Go     string
	System string // operating system, architecture and kernel version
}

// ThisMachine returns the shape of the machine that runs the harness.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.Memory = totalMemory(string(text))
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += ", kernel " + kernelVersion(string(text))
	}
	return m
}

// kernelVersion leaves out what a builder adds to the number: "6.18.44-generic" is 6.18.44.
func kernelVersion(release string) string {
	version, _, _ := strings.Cut(strings.TrimSpace(release), "-")
	return version
}

// totalMemory reads the line "MemTotal:  24684000 kB".
func totalMemory(meminfo string) uint64 {
	for line := range strings.Lines(meminfo) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "MemTotal:" {
			continue
		}
		kilobytes, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			return 0
		}
		return kilobytes << 10
	}
	return 0
}
