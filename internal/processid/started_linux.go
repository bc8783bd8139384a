package processid

import (
	"fmt"
	"os"
	"strings"
)

// startField is where a process's start, in ticks since the machine's, stands behind its name.
const startField = 19

// startOf returns when a process was started; ok is false when there is none, or only what its parent has not taken note of.
func startOf(pid int) (started string, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	at := strings.LastIndex(string(stat), ") ") // a name may hold anything
	if at < 0 {
		return "", false
	}
	fields := strings.Fields(string(stat)[at+2:])
	if len(fields) <= startField || fields[0] == "Z" {
		return "", false
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // ticks begin anew with the machine
	return fields[startField] + " " + strings.TrimSpace(string(boot)), true
}
