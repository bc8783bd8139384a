// Package process starts child processes, each with a group of its own, and ends them together with
// whatever they have started. It never restarts one and never decides when one has to end.
//
// The group keeps Ctrl-C at the terminal away from the children: only this program gets it. Whatever
// happens to this program, the children do not outlive it on Linux (a death signal) and on Windows (a job
// object); elsewhere they do when it is killed with SIGKILL.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// outputGrace is how long output is read on after the process and its group are gone: a descendant that
// left the group may hold the pipe for ever.
const outputGrace = time.Second

// Command is a program to start.
type Command struct {
	Path string // of the executable
	Args []string
	Dir  string
	Env  []string // the whole environment

	// Stdout and Stderr receive the output, each from one goroutine; both may be the same writer if it
	// takes concurrent writes. One that blocks holds up the process as a full pipe does.
	Stdout, Stderr io.Writer
}

// Starter starts processes from one thread of its own, since on Linux a child is tied to the thread that
// started it. Its methods may be called from several goroutines.
type Starter struct {
	requests chan request
	ended    chan struct{}
}

type request struct {
	command *exec.Cmd
	answer  chan<- error
}

// NewStarter returns a Starter, which the caller closes.
func NewStarter() *Starter {
	s := &Starter{make(chan request), make(chan struct{})}
	go s.serve()
	return s
}

func (s *Starter) serve() {
	defer close(s.ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for r := range s.requests {
		r.answer <- r.command.Start()
	}
}

// Close releases the thread. Every process must be gone: no Start may follow or be under way.
func (s *Starter) Close() {
	close(s.requests)
	<-s.ended
}

// Process is a child that has been started. Its methods may be called from several goroutines.
type Process struct {
	command *exec.Cmd
	done    chan struct{}
	exit    Exit // set before done is closed

	mu    sync.Mutex // held while signalling, so that no signal goes to an ID that was given back
	group *group     // nil once reaped
}

// Start starts the program. The error names it.
func (s *Starter) Start(c Command) (*Process, error) {
	command := exec.Command(c.Path, c.Args...) //nolint:gosec,noctx // what the workspace says; ended by its own methods
	command.Dir, command.Env = c.Dir, c.Env
	isolate(command)
	pipes, err := connect(command, c)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	answer := make(chan error, 1)
	s.requests <- request{command, answer}
	err = <-answer
	closeAll(pipes.childEnds)
	if err != nil {
		closeAll(pipes.ourEnds)
		return nil, fmt.Errorf("start %s: %w", c.Path, cause(err))
	}
	p := &Process{command: command, done: make(chan struct{}), group: adopt(command.Process)}
	go p.wait(pipes.copy())
	return p, nil
}

// cause strips the operation and path that the text around it names already.
func cause(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// wait reaps the process, ends what it left behind, and sees the rest of the output through.
func (p *Process) wait(output *output) {
	err := p.command.Wait()
	p.mu.Lock()
	p.group.kill()
	p.group.close()
	p.group = nil
	p.mu.Unlock()
	output.finish(outputGrace)
	p.exit = exitOf(p.command.ProcessState, err)
	close(p.done)
}

// PID returns the process ID, which on Unix is that of its group too.
func (p *Process) PID() int { return p.command.Process.Pid }

// Done is closed when the process and its group are gone and all output has been passed on.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit says how the process ended; it may be called once Done is closed.
func (p *Process) Exit() Exit {
	<-p.done
	return p.exit
}

// Terminate asks the process to end: SIGTERM, on Windows Ctrl-Break. Nothing it has started is asked.
func (p *Process) Terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.group != nil {
		p.group.terminate()
	}
}

// Kill ends the process and its group at once.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.group != nil {
		p.group.kill()
	}
}

// Stop terminates the process, kills it with its group after grace or as soon as now is closed, and returns
// when it is gone, with whether it had to be killed.
func (p *Process) Stop(grace time.Duration, now <-chan struct{}) (killed bool) {
	p.Terminate()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return false
	case <-timer.C:
	case <-now:
	}
	p.Kill()
	<-p.done
	return true
}

// Exit is how a process ended.
type Exit struct {
	Code   int    // -1 when it was ended by a signal
	Signal string // the signal's name, or ""
}

func (e Exit) String() string {
	if e.Signal != "" {
		return "signal: " + e.Signal
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

func exitOf(state *os.ProcessState, err error) Exit {
	if state == nil {
		return Exit{Code: -1, Signal: fmt.Sprint(err)}
	}
	return Exit{Code: state.ExitCode(), Signal: signalOf(state)}
}
