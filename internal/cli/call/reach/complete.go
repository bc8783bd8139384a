package reach

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/rpccall"
)

// CompletionTimeout bounds what a person who presses the tab key waits.
const CompletionTimeout = 2 * time.Second

// None is a completion of nothing, also of what could not be asked for: a shell has no place for an error.
func None() ([]string, cobra.ShellCompDirective) { return nil, cobra.ShellCompDirectiveNoFileComp }

// Complete completes something that ask learns from the server.
func (s *Server) Complete(ctx context.Context, begun string, ask func(context.Context, *rpccall.Client) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(ctx, CompletionTimeout)
	defer cancel()
	conn, closer, err := s.Connect(ctx)
	if err != nil {
		return None()
	}
	defer closer.Close()
	names, err := ask(ctx, rpccall.NewClient(conn, 0))
	if err != nil {
		return None()
	}
	return fitting(names, begun), cobra.ShellCompDirectiveNoFileComp
}

// fitting returns the names that begin as what was typed does. One that could steer a terminal is no name.
func fitting(names []string, begun string) []string {
	return slices.DeleteFunc(names, func(n string) bool {
		return !strings.HasPrefix(n, begun) || strings.ContainsAny(n, "\n\t") || rpccall.Printable(n) != n
	})
}

// BareNames shortens full names of methods where that is not ambiguous, and returns those that begin as what was typed.
func BareNames(methods []string, begun string) []string {
	count := make(map[string]int)
	bare := func(full string) string { return full[strings.LastIndexByte(full, '/')+1:] }
	for _, m := range methods {
		count[bare(m)]++
	}
	var names []string
	for _, m := range methods {
		if count[bare(m)] == 1 && strings.HasPrefix(bare(m), begun) {
			names = append(names, bare(m))
		} else if strings.HasPrefix(m, begun) {
			names = append(names, m)
		}
	}
	return names
}
