package command

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/discovery"
)

// OneService checks that one argument is given, the name of a service.
func OneService(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("no NAME of a service given")
	case 1:
		return nil
	}
	return fmt.Errorf("%q is one argument too many", args[1])
}

// Unusable returns why the registry says that the instance cannot be called: the status of its worst check
// and what that says. It is "" for one that can be.
func Unusable(in *discovery.Instance) string {
	worst := in.Status()
	if worst == discovery.Passing {
		return ""
	}
	for _, c := range in.Checks {
		if c.Status == worst && strings.TrimSpace(c.Output) != "" {
			return string(worst) + ": " + strings.TrimSpace(c.Output)
		}
	}
	return string(worst)
}

// lineShown bounds a line that is made of what others wrote.
const lineShown = 400

// Count names a number of things, whose plural ends in s.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Plain returns text on one line, without what could steer a terminal.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// OneLine returns text without what could steer a terminal, on one line of bounded length.
func OneLine(text string) string {
	runes := []rune(Plain(strings.TrimSpace(text)))
	if len(runes) > lineShown {
		return string(runes[:lineShown-1]) + "…"
	}
	return string(runes)
}
