package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// firstCall bounds a client's first call.
const firstCall = 15 * time.Second

// Serve runs a server until in ends or run returns, answering requests meanwhile, and returns the exit
// code of the process. run must return soon after its context is done.
func Serve(in io.Reader, out, problems io.Writer, run func(context.Context) error) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with in, which ends with the process at the latest
		defer cancel()
		p := process{out: out}
		_ = p.answer(in) // the harness has gone: so does the server
	}()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		return fail(problems, fmt.Errorf("serve: %w", err))
	}
	return 0
}

// Drive runs a client until in ends: it dials, makes one call, tells that it is ready, and then makes
// the loads that it is asked for. dial returns the calls that callers share out among themselves, and
// what closes them. Drive returns the exit code of the process.
func Drive(in io.Reader, out, problems io.Writer, dial func() ([]Call, func() error, error)) int {
	calls, closeAll, err := dial()
	if err != nil {
		return fail(problems, fmt.Errorf("dial: %w", err))
	}
	p := process{out: out, calls: calls}
	if err := p.first(); err != nil {
		return fail(problems, fmt.Errorf("first call: %w", errors.Join(err, closeAll())))
	}
	if err := errors.Join(p.answer(in), closeAll()); err != nil {
		return fail(problems, err)
	}
	return 0
}

func fail(problems io.Writer, err error) int {
	fmt.Fprintln(problems, err)
	return 1
}

// process answers the harness.
type process struct {
	out   io.Writer
	calls []Call // none in a server
}

// first makes one call of each kind and tells that the client is ready.
func (p *process) first() error {
	ctx, cancel := context.WithTimeout(context.Background(), firstCall)
	defer cancel()
	for i, call := range p.calls {
		if _, err := call(ctx, Greeting); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if err := p.reply(Reply{Ready: true}); err != nil {
			return err
		}
	}
	return nil
}

// answer answers requests until in ends or says so.
func (p *process) answer(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var request Request
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			return fmt.Errorf("read request %q: %w", lines.Text(), err)
		}
		if request.Op == OpStop {
			return nil
		}
		if err := p.reply(p.do(request)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (p *process) do(request Request) Reply {
	switch {
	case request.Op == OpUsage:
		return Reply{Usage: usage()}
	case request.Op == OpLoad && len(p.calls) > 0:
		return p.load(request.Load)
	default:
		return Reply{Error: fmt.Sprintf("operation %q: not one that this process takes", request.Op)}
	}
}

func (p *process) load(load Load) Reply {
	if err := load.validate(); err != nil {
		return Reply{Error: err.Error()}
	}
	before := usage()
	done, err := load.run(p.calls)
	if err != nil {
		return Reply{Error: err.Error()}
	}
	after := usage()
	return Reply{
		Done:  done,
		Usage: Usage{Mallocs: after.Mallocs - before.Mallocs, CPU: after.CPU - before.CPU},
	}
}

func (p *process) reply(reply Reply) error {
	line, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s%s\n", Prefix, line)
	return err
}
