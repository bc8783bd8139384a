package registrar

import "fmt"

// InvalidError says that a request can never be taken. Reason is for who made it.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

// RefusedError says that this agent does not take a request that another might. Reason is for who made it, in Consul's
// words.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

// UnknownServiceError says that no service with the ID is registered with this agent.
type UnknownServiceError struct{ ID string }

func (e *UnknownServiceError) Error() string { return fmt.Sprintf("no service with ID %q", e.ID) }

// UnknownCheckError says that no check with the ID is registered with this agent.
type UnknownCheckError struct{ ID string }

func (e *UnknownCheckError) Error() string { return fmt.Sprintf("no check with ID %q", e.ID) }
