package process

import (
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// pipes are the two ends of a command's outputs before it is started.
type pipes struct {
	childEnds, ourEnds []*os.File
	writers            []io.Writer
}

// connect gives the command pipes of ours rather than have exec make them: exec would wait for their end
// before the group could be killed.
func connect(command *exec.Cmd, c Command) (*pipes, error) {
	p := new(pipes)
	for _, writer := range []io.Writer{c.Stdout, c.Stderr} {
		ours, childs, err := os.Pipe()
		if err != nil {
			closeAll(p.childEnds)
			closeAll(p.ourEnds)
			return nil, err
		}
		p.ourEnds, p.childEnds = append(p.ourEnds, ours), append(p.childEnds, childs)
		p.writers = append(p.writers, writer)
	}
	command.Stdout, command.Stderr = p.childEnds[0], p.childEnds[1]
	return p, nil
}

// output is the copying of a running process's output.
type output struct {
	ends []*os.File
	done sync.WaitGroup
}

func (p *pipes) copy() *output {
	o := &output{ends: p.ourEnds}
	for i, end := range p.ourEnds {
		writer := p.writers[i]
		o.done.Go(func() {
			if _, err := io.Copy(writer, end); err != nil {
				_, _ = io.Copy(io.Discard, end) // the process is not to hang on a pipe that nobody reads
			}
		})
	}
	return o
}

// finish waits for the end of the output, for grace at the most, and closes the pipes.
func (o *output) finish(grace time.Duration) {
	timer := time.AfterFunc(grace, func() { closeAll(o.ends) })
	defer timer.Stop()
	o.done.Wait()
	closeAll(o.ends)
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close() // a pipe: there is nothing to lose
	}
}
