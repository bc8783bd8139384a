package portowner

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Of names the program that listens on a port, as far as this user may know, and its process. The program is
// "" where that cannot be told.
func Of(network string, port int) (program, process string) {
	inodes := make(map[string]bool)
	for _, table := range []string{network, network + "6"} {
		collect("/proc/net/"+table, network, port, inodes)
	}
	sockets, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil || len(inodes) == 0 {
		return "", "another program"
	}
	for _, path := range sockets {
		target, err := os.Readlink(path)
		if err != nil || !inodes[target] {
			continue
		}
		folder := filepath.Dir(filepath.Dir(path))
		name, err := os.ReadFile(filepath.Join(folder, "comm")) //nolint:gosec // beneath /proc
		if err != nil {
			continue
		}
		return strings.TrimSpace(string(name)), ", process " + filepath.Base(folder)
	}
	return "", "a program of another user"
}

// collect adds the sockets of a table of the kernel that listen on the port.
func collect(table, network string, port int, inodes map[string]bool) {
	file, err := os.Open(table) //nolint:gosec // one of four names
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	const (
		local, status, inode = 1, 3, 9
		listening            = "0A"
	)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > inode && strings.HasSuffix(fields[local], fmt.Sprintf(":%04X", port)) && (network == "udp" || fields[status] == listening) {
			inodes["socket:["+fields[inode]+"]"] = true
		}
	}
}
