// Package fleet builds the measured programs, starts them, talks with them, and leaves none behind: each
// process ends when asked, when the fleet is closed, or when the harness itself is gone. It knows
// nothing of what is measured.
package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/bench/internal/child"
)

// stopGrace is how long a process that was asked to stop may take before it is killed.
const stopGrace = 3 * time.Second

// Fleet is a set of running processes. Its methods may be called from several goroutines at once.
type Fleet struct {
	env []string

	mutex   sync.Mutex
	members map[*Process]struct{}
}

// New returns a fleet without processes. env is the environment of each, before what a Command adds.
func New(env []string) *Fleet {
	return &Fleet{env: env, members: make(map[*Process]struct{})}
}

// Command says what to start.
type Command struct {
	Name string // for errors
	Path string
	Args []string
	Env  []string // added to the fleet's
}

// Process is one running process. One goroutine at a time may ask it.
type Process struct {
	name    string
	fleet   *Fleet
	command *exec.Cmd
	input   io.WriteCloser
	replies chan child.Reply
	log     *tail

	ended chan struct{} // closed once the process is gone
	err   error         // of the process; set before ended is closed
}

// Start starts a process that runs until it is stopped, the fleet is closed, or ctx is done, which kills it.
func (f *Fleet) Start(ctx context.Context, c Command) (*Process, error) {
	command := exec.CommandContext(ctx, c.Path, c.Args...)
	command.Env = append(append([]string{}, f.env...), c.Env...)
	p := &Process{
		name:    c.Name,
		fleet:   f,
		command: command,
		replies: make(chan child.Reply, 1),
		log:     &tail{},
		ended:   make(chan struct{}),
	}
	command.Stderr = p.log
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	if p.input, err = command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	f.mutex.Lock()
	f.members[p] = struct{}{}
	f.mutex.Unlock()
	go p.follow(output)
	return p, nil
}

// follow hands on replies, keeps the rest as the log, and buries the process. It ends with the process.
func (p *Process) follow(output io.Reader) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		text, ours := strings.CutPrefix(lines.Text(), child.Prefix)
		if !ours {
			fmt.Fprintln(p.log, lines.Text())
			continue
		}
		var reply child.Reply
		if err := json.Unmarshal([]byte(text), &reply); err != nil {
			reply = child.Reply{Error: fmt.Sprintf("read reply %q: %v", text, err)}
		}
		select {
		case p.replies <- reply:
		default: // nobody asked
		}
	}
	p.err = errors.Join(lines.Err(), p.command.Wait())
	p.fleet.mutex.Lock()
	delete(p.fleet.members, p)
	p.fleet.mutex.Unlock()
	close(p.ended)
}

// Ready waits for a client's first call to be answered.
func (p *Process) Ready(ctx context.Context) error {
	_, err := p.await(ctx)
	return err
}

// Ask sends a request and waits for its reply. The error is the process's own, or tells that it ended.
func (p *Process) Ask(ctx context.Context, request child.Request) (child.Reply, error) {
	if err := json.NewEncoder(p.input).Encode(request); err != nil {
		return child.Reply{}, p.failure(fmt.Errorf("ask: %w", err))
	}
	return p.await(ctx)
}

func (p *Process) await(ctx context.Context) (child.Reply, error) {
	select {
	case reply := <-p.replies:
		if reply.Error != "" {
			return reply, p.failure(errors.New(reply.Error))
		}
		return reply, nil
	case <-p.ended:
		return child.Reply{}, p.failure(fmt.Errorf("ended: %w", p.exit()))
	case <-ctx.Done():
		return child.Reply{}, p.failure(context.Cause(ctx))
	}
}

func (p *Process) exit() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// failure adds the process's name and what it logged last.
func (p *Process) failure(err error) error {
	if log := p.log.String(); log != "" {
		return fmt.Errorf("%s: %w; its log ends with: %s", p.name, err, log)
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// Ended is closed once the process is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err returns why the process is gone, with what it logged last; call it after Ended.
func (p *Process) Err() error { return p.failure(fmt.Errorf("ended: %w", p.exit())) }

// Kill ends the process at once and waits until it is gone.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // the one error is that it has ended
	<-p.ended
}

// Stop asks the process to end, waits until it is gone, and kills it when that takes too long.
func (p *Process) Stop() {
	_ = p.input.Close() // it may have ended by itself
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.Kill()
	}
}

// Close stops all processes that still run and waits until they are gone. The fleet can be used again.
func (f *Fleet) Close() {
	f.mutex.Lock()
	members := make([]*Process, 0, len(f.members))
	for p := range f.members {
		members = append(members, p)
	}
	f.mutex.Unlock()
	var stopping sync.WaitGroup
	for _, p := range members {
		stopping.Go(p.Stop)
	}
	stopping.Wait()
}

// tailSize bounds what is kept of a process's log.
const tailSize = 2048

// tail keeps the end of what is written to it.
type tail struct {
	mutex sync.Mutex
	text  []byte
}

func (t *tail) Write(text []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.text = append(t.text, text...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(text), nil
}

func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.TrimSpace(string(t.text))
}
