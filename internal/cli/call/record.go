package call

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pandakit/panda/internal/cli/call/history"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/rpccall"
)

// apart are flags that have a place of their own in the history, or none.
var apart = []string{"metadata", "data", "history", "again", "help"}

// changedFlags returns the flags that were given, by their names.
func changedFlags(cmd *cobra.Command) map[string]string {
	changed := make(map[string]string)
	cmd.Flags().Visit(func(f *pflag.Flag) { changed[f.Name] = f.Value.String() })
	return changed
}

func (c *caller) kept() history.File { return history.Open(runtime.GOOS, c.env.Getenv) }

// record keeps the call in the history. That it cannot be kept is nothing that a call should fail for.
func (c *caller) record() {
	e := history.Entry{
		Time: time.Now().UTC().Truncate(time.Second), Service: c.service, Method: c.method,
		Metadata: c.options.metadata, Flags: maps.Clone(c.changed),
	}
	maps.DeleteFunc(e.Flags, func(name, _ string) bool { return slices.Contains(apart, name) })
	switch {
	case c.input.file != nil:
		path, err := filepath.Abs(pathIn(c.env.Dir, c.input.name))
		if err != nil {
			return
		}
		e.Data = "@" + path
	case c.input.isArgument():
		e.Data = c.input.argument
	case c.input.typed.Load():
		e.Omitted = fromStdin
	case c.input.again:
		return // nothing was called
	}
	_ = c.kept().Add(e)
}

const fromStdin = "it came from standard input"

func (c *caller) historyArguments(args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.options.history:
		return fmt.Errorf("--history makes no call, so %q means nothing", args[0])
	case len(args) > 1:
		return fmt.Errorf("%q is one argument too many beside --again", args[1])
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("--again %q: want the number that --history gives the call", args[0])
	}
	c.options.again = n
	return nil
}

// numbered is an entry as --history --json prints it.
type numbered struct {
	Number  int    `json:"number"` // for --again; the last call is 1
	Command string `json:"command"`
	history.Entry
}

func (c *caller) listHistory() error {
	for name := range c.changed {
		if name != "history" && name != "json" {
			return command.Usagef("call: --%s is nothing beside --history", name)
		}
	}
	entries, err := c.entries()
	if err != nil {
		return err
	}
	list := make([]numbered, 0, len(entries))
	for i, e := range entries {
		list = append(list, numbered{len(entries) - i, commandLine(e), e})
	}
	if c.options.json {
		return c.env.PrintJSON(list)
	}
	var rows [][]string
	for _, e := range list {
		rows = append(rows, []string{strconv.Itoa(e.Number), e.Time.Local().Format("2006-01-02 15:04:05"), e.Command})
	}
	return c.env.PrintTable([]string{"N", "TIME", "CALL"}, rows)
}

func (c *caller) entries() ([]history.Entry, error) {
	file := c.kept()
	if file.Path() == "" {
		return nil, command.Advise(errors.New("call: no history is kept"), "PANDA_HISTORY=off turns it off, and so does a HOME that is no folder")
	}
	return file.Entries()
}

// again makes a call of the history again.
func (c *caller) again(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && c.options.again < 1 {
		return command.Usagef("call: --again %d: the last call is 1", c.options.again)
	}
	entries, err := c.entries()
	if err != nil {
		return err
	}
	n := c.options.again
	if n < 1 || n > len(entries) {
		return command.Advise(command.Usagef("call: --again %d: the history has %d calls", n, len(entries)), `see "panda call --history"`)
	}
	e := entries[len(entries)-n]
	err = c.take(cmd, e)
	if errors.Is(err, errNotKept) {
		return notKept(fmt.Errorf("call: --again %d: %w", n, err))
	}
	if err != nil {
		return command.Usagef("call: --again %d: %w", n, err)
	}
	fmt.Fprintln(c.env.Stderr, commandLine(e))
	return c.run(cmd)
}

// take makes the call of an entry that of the command. What was given on the command line goes before.
func (c *caller) take(cmd *cobra.Command, e history.Entry) error {
	c.service, c.method = e.Service, e.Method
	for _, name := range slices.Sorted(maps.Keys(e.Flags)) {
		if _, given := c.changed[name]; given || slices.Contains(apart, name) {
			continue
		}
		if err := cmd.Flags().Set(name, e.Flags[name]); err != nil {
			return fmt.Errorf("--%s %q: %w", name, e.Flags[name], err)
		}
		c.changed[name] = e.Flags[name]
	}
	given := make(map[string]bool)
	for _, pair := range c.options.metadata {
		key, _, _ := strings.Cut(pair, "=")
		given[strings.ToLower(key)] = true
	}
	for _, key := range e.Withheld {
		if !given[key] {
			return fmt.Errorf("metadata %s was not kept, because it looks like a credential; give it again with -H %s=VALUE", key, key)
		}
	}
	for _, pair := range e.Metadata {
		if key, _, _ := strings.Cut(pair, "="); !given[strings.ToLower(key)] {
			c.options.metadata = append(c.options.metadata, pair)
		}
	}
	if _, ok := c.changed["data"]; ok {
		return nil
	}
	if e.Omitted != "" && e.Omitted != fromStdin {
		return fmt.Errorf("its JSON was not kept, because %s; give it again with -d", e.Omitted)
	}
	c.input.again = e.Omitted == fromStdin
	if c.input.again && (c.env.Stdin == nil || isTerminal(c.env.Stdin)) {
		return errNotKept
	}
	if e.Data != "" {
		c.options.data, c.changed["data"] = e.Data, e.Data
	}
	return nil
}

// commandLine is the call as it may be typed.
func commandLine(e history.Entry) string {
	words := []string{"panda", "call"}
	for _, name := range slices.Sorted(maps.Keys(e.Flags)) {
		if e.Flags[name] == "true" {
			words = append(words, "--"+name)
		} else {
			words = append(words, "--"+name, quoted(e.Flags[name]))
		}
	}
	for _, pair := range e.Metadata {
		words = append(words, "-H", quoted(pair))
	}
	for _, key := range e.Withheld {
		words = append(words, "-H", key+"=...")
	}
	words = append(words, quoted(e.Service), quoted(e.Method))
	switch {
	case strings.HasPrefix(e.Data, "@"):
		words = append(words, "-d", quoted(e.Data))
	case e.Data != "":
		words = append(words, quoted(e.Data))
	case e.Omitted != "":
		words = append(words, "# without its JSON: "+e.Omitted)
	}
	return rpccall.Printable(strings.ReplaceAll(strings.Join(words, " "), "\n", " "))
}

// quoted writes a word as a POSIX shell takes it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,+%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
