//go:build !linux

package doctor

// owner names the program that listens on a port; which one it is, this system does not tell without a tool.
func owner(string, int) (program, process string) { return "", "another program" }
