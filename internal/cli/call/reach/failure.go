package reach

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

const (
	giveItLonger = "give it longer with --deadline, which 0 turns off"
	gRPCOnly     = `"panda call" and "panda describe" speak gRPC only: not net/rpc, and not HTTP`
)

// Failure turns what ended a question or a call into an exit code and advice. ctx is that of the whole command, which an
// interrupt ends.
func (s *Server) Failure(ctx context.Context, err error) error {
	if err == nil || command.ExitCode(err) == command.ExitUsage {
		return err
	}
	if usage := nameError(err); usage != nil {
		return usage
	}
	if _, ok := errors.AsType[*rpccall.InputError](err); ok {
		return command.Usage(err)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if lookup := s.lookupError(err); lookup != nil {
		return lookup
	}
	if failed, ok := errors.AsType[*rpccall.StatusError](err); ok {
		return s.statusError(failed, err)
	}
	return err
}

// nameError returns what is wrong with the name of a method or a type, or nil.
func nameError(err error) error {
	if e, ok := errors.AsType[*rpccall.UnknownMethodError](err); ok {
		return adviseProtocol(err, len(e.Methods))
	}
	if e, ok := errors.AsType[*rpccall.UnknownNameError](err); ok {
		return adviseProtocol(err, len(e.Names))
	}
	_, ambiguousMethod := errors.AsType[*rpccall.AmbiguousMethodError](err)
	_, ambiguousName := errors.AsType[*rpccall.AmbiguousNameError](err)
	switch {
	case ambiguousMethod, ambiguousName:
		return command.Advise(command.Usage(err), "write one of them in full")
	case errors.Is(err, rpccall.ErrNoReflection):
		return command.Advise(err, "register it in the server: reflection.Register(server), from google.golang.org/grpc/reflection")
	}
	return nil
}

func adviseProtocol(err error, known int) error {
	if known == 0 {
		return command.Advise(command.Usage(err), gRPCOnly)
	}
	return command.Usage(err)
}

// lookupError returns the error of discovery inside err, whose text says more than a status.
func (s *Server) lookupError(err error) error {
	if e, ok := errors.AsType[*discovery.UnreachableError](err); ok {
		if errors.Is(err, context.DeadlineExceeded) {
			return s.tooLate(e.Registry)
		}
		return advised(err, e)
	}
	if e, ok := errors.AsType[*discovery.NotFoundError](err); ok {
		return advised(err, e)
	}
	if e, ok := errors.AsType[*discovery.UnusableError](err); ok {
		return advised(err, e)
	}
	return nil
}

// advised keeps the advice of the error that another was found in.
func advised(outer, inner error) error {
	if advice := command.Advice(outer); advice != "" {
		return command.Advise(inner, advice)
	}
	return inner
}

func (s *Server) statusError(failed *rpccall.StatusError, err error) error {
	err = withDetails(failed, err)
	switch {
	case failed.Code == codes.DeadlineExceeded:
		return command.Advise(err, giveItLonger)
	case failed.Code == codes.Unavailable && s.Addr != "":
		return command.Advise(err, "is a gRPC server without TLS listening at "+s.Addr+"?")
	}
	return err
}

// withDetails adds a line for each detail of a status.
func withDetails(failed *rpccall.StatusError, err error) error {
	var text strings.Builder
	text.WriteString(err.Error())
	for _, detail := range failed.Details {
		text.WriteString("\n  detail: ")
		text.Write(detail)
	}
	return errors.New(text.String())
}

// Wrap says before an error what was done, and leaves nothing in its text that could steer a terminal: parts of it were
// written by servers, and by whoever may register with the registry.
func Wrap(act string, err error) error {
	if err == nil {
		return nil
	}
	return &safeError{rpccall.Printable(fmt.Sprintf("%s: %v", act, err)), err}
}

// safeError is an error with another text.
type safeError struct {
	text string
	err  error
}

func (e *safeError) Error() string { return e.text }
func (e *safeError) Unwrap() error { return e.err }
