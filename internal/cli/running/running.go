// Package running connects commands to the "panda up" that runs for the working directory. It holds no command itself,
// and starts nothing.
package running

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/control"
)

// completionTimeout bounds what a person who presses the tab key waits.
const completionTimeout = time.Second

// Help is what each command says about which workspace it means.
const Help = `The "panda up" that is meant is the one for this folder or the nearest around it, else the
only one that runs.`

// Connect finds the workspace.
func Connect(env *command.Env) (*control.Client, error) {
	client, err := control.Find(control.Folder(env.Getenv), env.Dir)
	if err == nil {
		return client, nil
	}
	if none, ok := errors.AsType[*control.NoneError](err); ok {
		advice := "start one with: panda up"
		if len(none.Running) > 0 {
			advice = "run the command in one of these folders"
		}
		return nil, command.Advise(err, advice)
	}
	if twice, ok := errors.AsType[*control.TwiceError](err); ok {
		return nil, command.Advise(err, fmt.Sprintf("end one of them: kill %d", twice.PIDs[0]))
	}
	return nil, err
}

// Explain turns what the workspace refused into wrong usage, and the end of ctx into an interrupt.
func Explain(ctx context.Context, act string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return errors.New(act + ": interrupted")
	}
	if told, ok := errors.AsType[*control.Error](err); ok && told.Wrong {
		return command.Usagef("%s: %w", act, err)
	}
	return fmt.Errorf("%s: %w", act, err)
}

// Known returns nil when the workspace has a service of that name, else what the workspace would say.
func Known(ctx context.Context, client *control.Client, service string) error {
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, s := range status.Services {
		names = append(names, s.Name)
	}
	if slices.Contains(names, service) {
		return nil
	}
	return &control.Error{Text: (&workspace.UnknownServiceError{Name: service, Known: names}).Error(), Wrong: true}
}

// Labels returns those of all instances that run.
func Labels(ctx context.Context, client *control.Client) []string {
	status, err := client.Status(ctx)
	if err != nil {
		return nil // they only line up what is shown
	}
	var labels []string
	for _, s := range status.Services {
		for _, i := range s.Instances {
			labels = append(labels, i.Label)
		}
	}
	return labels
}

// Complete completes arguments with the names of services that are not given yet.
func Complete(env *command.Env, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if len(args) < most {
			names = services(cmd.Context(), env)
		}
		return slices.DeleteFunc(names, func(name string) bool {
			return slices.Contains(args, name) || !strings.HasPrefix(name, begun)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// Glimpse returns the services of the workspace for completion: none when there is no workspace, or it does not answer soon.
func Glimpse(ctx context.Context, env *command.Env) []workspace.ServiceStatus {
	client, err := Connect(env)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	status, err := client.Status(ctx)
	if err != nil {
		return nil
	}
	return status.Services
}

func services(ctx context.Context, env *command.Env) []string {
	var names []string
	for _, service := range Glimpse(ctx, env) {
		names = append(names, service.Name)
	}
	return names
}

// Many is the most names that a command takes.
const Many = 1 << 10
