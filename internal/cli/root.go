package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/version"
	"github.com/pandakit/panda/internal/nearname"
)

const rootHelp = `Run, find and call microservices written in Go.

Services are found by name in a registry that speaks Consul's HTTP API: the agent that
"panda up" and "panda agent -dev" start, or any Consul that CONSUL_HTTP_ADDR names.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check has findings.`

const rootExample = `  panda new --type srv hello                      # make a service
  panda up                                        # build and run all services below a folder
  panda services                                  # list what runs
  panda call hello Greet '{"name":"world"}'       # call a method by name`

func newRoot(env *command.Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "panda",
		Short:         "Run, find and call microservices",
		Long:          rootHelp,
		Example:       rootExample,
		Version:       version.Read().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(commands(env)...)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(env.Args...)
	root.SetFlagErrorFunc(flagError)
	prepare(root)
	root.SetArgs(doubleDashes(root, env.Args))
	return root
}

// doubleDashes returns the arguments with a second dash before each long flag that has one, for the commands
// that take Consul's flags as Consul does. What follows the first argument of a command that ends its flags
// there, and the value of a flag, stay as they are. It never returns nil, which would make cobra read os.Args.
func doubleDashes(root *cobra.Command, args []string) []string {
	result := append([]string{}, args...)
	cmd, rest, err := root.Find(args)
	if err != nil || !command.HasConsulFlags(cmd.Annotations) || len(rest) > len(args) {
		return result
	}
	for n := len(args) - len(rest); n < len(result); n++ {
		argument := result[n]
		switch {
		case argument == "--":
			return result
		case !strings.HasPrefix(argument, "-") || argument == "-":
			if command.EndsFlags(cmd.Annotations) {
				return result
			}
			continue
		case !strings.HasPrefix(argument, "--"):
			result[n] = "-" + argument
		}
		name, _, hasValue := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		if f := cmd.Flags().Lookup(name); f != nil && f.NoOptDefVal == "" && !hasValue {
			n++ // its value comes next
		}
		if name == "h" {
			result[n] = argument
		}
	}
	return result
}

// prepare makes every wrong use in the tree exit with command.ExitUsage: cobra itself tells a wrong
// argument from a failure by nothing, and shows the help for an unknown subcommand as if all were well.
func prepare(cmd *cobra.Command) {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = groupRun
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return argumentError(cmd, args, check(cmd, args)) }
	}
	for _, sub := range cmd.Commands() {
		prepare(sub)
	}
}

// groupRun is what a command that only groups others does.
func groupRun(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return unknownCommand(cmd, args[0])
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
			known = append(known, sub.Aliases...)
		}
	}
	err := command.Usagef("unknown command %q%s", name, near(name, known))
	if !cmd.HasParent() && name == "validate" { // a command of Consul's own
		return command.Advise(err, `definition files are checked by "panda agent validate PATH..."`)
	}
	return command.Advise(err, fmt.Sprintf("see %q for what there is", cmd.CommandPath()+" --help"))
}

func near(name string, known []string) string {
	if names := nearname.Of(name, known); len(names) > 0 {
		return "; near: " + strings.Join(names, ", ")
	}
	return ""
}

// argumentError says the same for every command what cobra says in several ways, one of which calls a
// surplus argument an unknown command.
func argumentError(cmd *cobra.Command, args []string, err error) error {
	if err == nil || command.ExitCode(err) == command.ExitUsage {
		return err
	}
	text := err.Error()
	if strings.HasPrefix(text, "unknown command ") && len(args) > 0 {
		text = fmt.Sprintf("%q is one argument too many", args[0])
	}
	return command.Advise(command.Usagef("%s", inCommand(cmd, text)), "usage: "+cmd.UseLine())
}

// inCommand says which command of the tree text is about: "agent: unknown flag", nothing for the root.
func inCommand(cmd *cobra.Command, text string) string {
	if !cmd.HasParent() {
		return text
	}
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ") + ": " + text
}

func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
		text += near("--"+unknown.GetSpecifiedName(), known)
	}
	return command.Advise(command.Usagef("%s", inCommand(cmd, text)),
		fmt.Sprintf("see %q for the flags", cmd.CommandPath()+" --help"))
}

// helpCommand is "panda help COMMAND".
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			at, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, sub := range at.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name()+"\t"+sub.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil {
				return command.Usage(err)
			}
			if len(rest) > 0 {
				return unknownCommand(topic, rest[0])
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}
