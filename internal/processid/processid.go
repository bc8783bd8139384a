// Package processid tells a process from a later one that the system gives the same number, so that what a killed one has left is
// not taken for that of one that runs. It starts, signals and waits for nothing.
package processid

// ID is one process of this machine. It can be kept as JSON. The zero value is no process.
type ID struct {
	PID     int    `json:"pid"`
	Started string `json:"started"` // as the system has it
}

// Of returns the process that has the number now. One that is gone is not alive either.
func Of(pid int) ID {
	started, _ := startOf(pid)
	return ID{pid, started}
}

// Alive reports whether the process is still there.
func (p ID) Alive() bool {
	started, ok := startOf(p.PID)
	return ok && started == p.Started
}
