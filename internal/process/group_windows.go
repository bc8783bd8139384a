package process

import (
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a job object, which ends all its processes when its last handle is closed: also when this
// program is killed.
type group struct {
	leader *os.Process
	job    windows.Handle // 0 when Windows refused one: then only the leader can be ended
}

// isolate keeps Ctrl-C away from the child; it is sent Ctrl-Break instead, which Go programs take as os.Interrupt.
func isolate(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func adopt(leader *os.Process) *group {
	g := &group{leader: leader}
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return g
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))) //nolint:gosec // as the call wants it
	if err == nil {
		err = assign(job, leader.Pid)
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return g
	}
	g.job = job
	return g
}

func assign(job windows.Handle, pid int) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid)) //nolint:gosec // a process ID fits
	if err != nil {
		return err
	}
	defer windows.CloseHandle(process) //nolint:errcheck // nothing to do about it
	return windows.AssignProcessToJobObject(job, process)
}

// terminate falls back to killing where there is no console to send Ctrl-Break through.
func (g *group) terminate() {
	if err := windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(g.leader.Pid)); err != nil { //nolint:gosec // a process ID fits
		g.kill()
	}
}

func (g *group) kill() {
	if g.job != 0 {
		_ = windows.TerminateJobObject(g.job, 1)
	}
	_ = g.leader.Kill() // gone already is as good
}

func (g *group) close() {
	if g.job != 0 {
		_ = windows.CloseHandle(g.job)
	}
}

func signalOf(*os.ProcessState) string { return "" }
