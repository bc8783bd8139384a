package kv

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// getOptions are the flags of get.
type getOptions struct {
	base64, detailed, keys, recurse, asJSON bool
	separator                               string
}

func getCommand(env *command.Env) *cobra.Command {
	o := new(getOptions)
	cmd := &cobra.Command{
		Use:   "get [KEY or PREFIX]",
		Short: "Print the value of a key",
		Long: `Print the value of a key, or what is below a prefix with -recurse or -keys. A key that does not exist is
an error; a prefix without keys is not.`,
		Example:     "  panda kv get config/greeting\n  panda kv get -recurse config/\n  panda kv get -detailed config/greeting",
		Annotations: command.ConsulFlags(),
		Args:        cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.BoolVar(&o.base64, "base64", false, "print values in base 64")
	f.BoolVar(&o.detailed, "detailed", false, "print what else is known of a key: its indexes, flags and session")
	f.BoolVar(&o.keys, "keys", false, "list the keys that begin with the prefix, without values")
	f.BoolVar(&o.recurse, "recurse", false, "print all keys that begin with the prefix, with values")
	f.StringVar(&o.separator, "separator", "/", "with -keys, list keys only up to this `text` after the prefix")
	f.BoolVar(&o.asJSON, "json", false, "print JSON; values are in base 64")
	flags := agentapi.AddFlags(f)
	flags.AddServerFlags(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		key, err := keyOf(args)
		if err != nil {
			return err
		}
		if key == "" && !o.recurse && !o.keys {
			return misused("Error! Missing KEY argument")
		}
		s, err := connect(env, flags)
		if err != nil {
			return err
		}
		return o.run(cmd.Context(), env, s, key)
	}
	return cmd
}

func (o *getOptions) run(ctx context.Context, env *command.Env, s store, key string) error {
	switch {
	case o.keys:
		return printKeys(ctx, env, s, key, o.separator, o.asJSON)
	case o.recurse:
		pairs, err := s.list(ctx, key)
		if err != nil {
			return err
		}
		return o.printAll(env, pairs)
	}
	found, err := s.get(ctx, key)
	switch {
	case err != nil:
		return err
	case found == nil:
		return said("Error! No key exists at: %s", key)
	case o.asJSON:
		return env.PrintJSON(found)
	}
	text := o.value(found)
	if o.detailed {
		text = o.details(found)
	}
	_, err = fmt.Fprintln(env.Stdout, text)
	return err
}

func (o *getOptions) printAll(env *command.Env, pairs []pair) error {
	if o.asJSON {
		return env.PrintJSON(pairs)
	}
	for i := range pairs {
		text := pairs[i].Key + ":" + o.value(&pairs[i])
		if o.detailed {
			text = o.details(&pairs[i])
			if i < len(pairs)-1 {
				text += "\n"
			}
		}
		if _, err := fmt.Fprintln(env.Stdout, text); err != nil {
			return err
		}
	}
	return nil
}

func printKeys(ctx context.Context, env *command.Env, s store, prefix, separator string, asJSON bool) error {
	names, err := s.keys(ctx, prefix, separator)
	if err != nil {
		return err
	}
	if asJSON {
		return env.PrintJSON(names)
	}
	for _, name := range names {
		if _, err := fmt.Fprintln(env.Stdout, name); err != nil {
			return err
		}
	}
	return nil
}

func (o *getOptions) value(p *pair) string {
	if o.base64 {
		return base64.StdEncoding.EncodeToString(p.Value)
	}
	return string(p.Value)
}

// details is all that is known of a key, in the columns that Consul prints.
func (o *getOptions) details(p *pair) string {
	var b strings.Builder
	const between = 6
	w := tabwriter.NewWriter(&b, 0, 2, between, ' ', 0)
	session := p.Session
	if session == "" {
		session = "-"
	}
	fmt.Fprintf(w, "CreateIndex\t%d\nFlags\t%d\nKey\t%s\nLockIndex\t%d\nModifyIndex\t%d\nSession\t%s\n",
		p.CreateIndex, p.Flags, p.Key, p.LockIndex, p.ModifyIndex, session)
	if p.Partition != "" {
		fmt.Fprintf(w, "Partition\t%s\n", p.Partition)
	}
	if p.Namespace != "" {
		fmt.Fprintf(w, "Namespace\t%s\n", p.Namespace)
	}
	fmt.Fprintf(w, "Value\t%s", o.value(p))
	_ = w.Flush() // a strings.Builder takes all
	return b.String()
}

func listCommand(env *command.Env) *cobra.Command {
	var asJSON, recurse bool
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List the keys below a prefix",
		Long: `List the keys below a prefix, as the files and folders of a folder are: what has more below it ends in /.

It is "kv get -keys" under a shorter name.`,
		Example:     "  panda kv ls\n  panda kv ls config/\n  panda kv ls -recurse config/ --json",
		Annotations: command.ConsulFlags(),
		Args:        cobra.ArbitraryArgs,
	}
	cmd.Flags().BoolVar(&recurse, "recurse", false, "list every key below the prefix, at any depth")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	flags := agentapi.AddFlags(cmd.Flags())
	flags.AddServerFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		prefix, err := keyOf(args)
		if err != nil {
			return err
		}
		s, err := connect(env, flags)
		if err != nil {
			return err
		}
		separator := "/"
		if recurse {
			separator = ""
		}
		return printKeys(cmd.Context(), env, s, prefix, separator, asJSON)
	}
	return cmd
}
