package call

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/rpccall"
)

// wrap says which call it was.
func (c *caller) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("call %s/%s: %w", c.service, c.method[strings.LastIndexAny(c.method, "/.")+1:], err)
}

// methodError turns what keeps a method from being found into an exit code and advice.
func (c *caller) methodError(ctx context.Context, err error) error {
	_, unknown := errors.AsType[*rpccall.UnknownMethodError](err)
	_, ambiguous := errors.AsType[*rpccall.AmbiguousMethodError](err)
	switch {
	case unknown:
		return command.Usage(err)
	case ambiguous:
		return command.Advise(command.Usage(err), "write one of them in full")
	case errors.Is(err, rpccall.ErrNoReflection):
		return command.Advise(err, "register it in the server: reflection.Register(server), from google.golang.org/grpc/reflection")
	}
	return c.callError(ctx, err)
}

// callError turns what ended the call into an exit code and advice.
func (c *caller) callError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*rpccall.InputError](err); ok {
		return command.Usage(err)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if lookup := lookupError(err); lookup != nil {
		return lookup
	}
	if failed, ok := errors.AsType[*rpccall.StatusError](err); ok {
		return c.statusError(failed, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return command.Advise(fmt.Errorf("standard input did not end within %v", c.options.deadline),
			"give the JSON as an argument, or redirect standard input from /dev/null for an empty message")
	}
	return err
}

// lookupError returns the error of discovery inside err, whose text says more than a status.
func lookupError(err error) error {
	if e, ok := errors.AsType[*discovery.UnreachableError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*discovery.NotFoundError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*discovery.UnusableError](err); ok {
		return e
	}
	return nil
}

func (c *caller) statusError(failed *rpccall.StatusError, err error) error {
	var text strings.Builder
	text.WriteString(err.Error())
	for _, detail := range failed.Details {
		text.WriteString("\n  detail: ")
		text.Write(detail)
	}
	err = errors.New(text.String())
	switch {
	case failed.Code == codes.DeadlineExceeded:
		return command.Advise(err, "give it longer with --deadline, which 0 turns off")
	case failed.Code == codes.Unavailable && c.options.addr != "":
		return command.Advise(err, "is a gRPC server without TLS listening at "+c.options.addr+"?")
	}
	return err
}
