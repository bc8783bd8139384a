package agentcmd

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/agent/config"
	"github.com/pandakit/panda/internal/cli/command"
)

// NewValidate returns the command that reads configuration files and says what is wrong with them.
func NewValidate(env *command.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "validate [-quiet] [-config-format json|hcl] PATH...",
		Short: "Check configuration files of the agent",
		Long: `Check files, and the files of folders, as the agent reads them: settings, services and checks. Problems are
named by file and line. The exit code is 1 when there are some.

  -quiet           print nothing when all is well
  -config-format   the format of files of any name: json or hcl`,
		Example:            "  panda agent validate ./consul.d\n  panda agent validate agent.hcl web.json",
		DisableFlagParsing: true,
		SilenceErrors:      true,
		SilenceUsage:       true,
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		flags := flag.NewFlagSet("validate", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.Usage = func() {}
		quiet := flags.Bool("quiet", false, "")
		format := flags.String("config-format", "", "")
		err := flags.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			c.SetOut(env.Stdout)
			return c.Help()
		case err != nil:
			return command.Usage(fmt.Errorf("read flags of validate: %w", err))
		case flags.NArg() == 0:
			return command.Usagef("validate: must specify at least one config file or directory")
		}
		return validate(env, config.Options{Paths: flags.Args(), Format: *format}, *quiet)
	}
	return c
}

func validate(env *command.Env, options config.Options, quiet bool) error {
	_, warnings, err := config.Load(options)
	if err != nil {
		return fmt.Errorf("Config validation failed: %w", err) //nolint:staticcheck // Consul's text
	}
	if quiet {
		return nil
	}
	for _, w := range warnings {
		if _, err := fmt.Fprintln(env.Stderr, w); err != nil {
			return fmt.Errorf("tell warnings: %w", err)
		}
	}
	_, err = fmt.Fprintln(env.Stdout, "Configuration is valid!")
	return err
}
