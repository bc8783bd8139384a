// Package describe is "panda describe": what a running service can be asked, as .proto source and as a JSON to begin
// with. It learns both by gRPC reflection and calls nothing else.
package describe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/call/reach"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/rpccall"
)

const defaultDeadline = 10 * time.Second

const long = `Show the methods of a running service, or one method or type, as .proto source.

SERVICE is looked up in the registry; --addr asks one address instead. METHOD is written as
"panda call" takes it; the name of a gRPC service, a message or an enum will do as well. The
server tells all this by gRPC reflection, with its comments if it has them.

Behind a method, or a message, comes a JSON that "panda call" takes as it is: each field
with its zero value, a list and a map with one element, of a oneof the first. --template
prints only that.`

const example = `  panda describe hello
  panda describe hello SayHello
  panda describe hello SayHello --template >request.json && panda call hello SayHello -d @request.json
  panda describe hello google.protobuf.Timestamp
  panda describe --addr 127.0.0.1:10086 hello --json`

// describer is one run of the command.
type describer struct {
	env      *command.Env
	server   reach.Server
	json     bool
	template bool
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	d := &describer{env: env, server: reach.Server{Env: env}}
	cmd := &cobra.Command{
		Use:               "describe SERVICE [METHOD]",
		Short:             "Show the methods and messages of a service",
		Long:              long,
		Example:           example,
		Args:              arguments,
		ValidArgsFunction: d.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			d.server.Service = args[0]
			act := "describe " + args[0]
			name := ""
			if len(args) == 2 {
				name = args[1]
				act += " " + name
			}
			return reach.Wrap(act, d.run(cmd.Context(), name))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.server.Addr, "addr", "", "ask the server at this `host:port` instead of looking SERVICE up")
	flags.DurationVar(&d.server.Deadline, "deadline", defaultDeadline, "give up after this time, 0 for never")
	flags.BoolVar(&d.json, "json", false, "print JSON")
	flags.BoolVar(&d.template, "template", false, "print only the JSON to begin with")
	return cmd
}

func arguments(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("no SERVICE given")
	case 1, 2:
		return nil
	}
	return fmt.Errorf("%q is one argument too many", args[2])
}

func (d *describer) run(ctx context.Context, name string) error {
	switch {
	case d.server.Deadline < 0:
		return command.Usagef("--deadline %v is negative", d.server.Deadline)
	case d.template && name == "":
		return command.Usagef("--template of a whole service: name one of its methods")
	case d.template && d.json:
		return command.Usagef("--template prints JSON already: it does not go with --json")
	}
	bounded, cancel := ctx, func() {}
	if d.server.Deadline > 0 {
		bounded, cancel = context.WithTimeout(ctx, d.server.Deadline)
	}
	defer cancel()
	conn, closer, err := d.server.Connect(bounded)
	if err != nil {
		return d.server.Failure(ctx, err)
	}
	defer closer.Close()
	descriptions, err := ask(bounded, rpccall.NewClient(conn, 0), name)
	if err != nil {
		return d.server.Failure(ctx, err)
	}
	if d.json {
		return d.printJSON(descriptions, name)
	}
	return d.print(descriptions)
}

// ask returns all services, or what the name stands for.
func ask(ctx context.Context, client *rpccall.Client, name string) ([]rpccall.Description, error) {
	if name != "" {
		description, err := client.Describe(ctx, name)
		if err != nil {
			return nil, err
		}
		return []rpccall.Description{*description}, nil
	}
	services, err := client.Services(ctx)
	if err == nil && len(services) == 0 {
		return nil, &rpccall.UnknownNameError{}
	}
	return services, err
}

func (d *describer) print(descriptions []rpccall.Description) error {
	for i, description := range descriptions {
		if d.template {
			if description.Template == "" {
				return command.Usagef("%s is %s and has no JSON", description.Name, map[rpccall.Kind]string{rpccall.KindService: "a service", rpccall.KindEnum: "an enum"}[description.Kind])
			}
			return d.printTemplate(description.Template)
		}
		if i > 0 {
			fmt.Fprintln(d.env.Stdout)
		}
		if _, err := fmt.Fprint(d.env.Stdout, description.Source); err != nil {
			return err
		}
		if description.Template == "" {
			continue
		}
		fmt.Fprintf(d.env.Stdout, "\n// %s\n", d.use(description))
		if err := d.printTemplate(description.Template); err != nil {
			return err
		}
	}
	return nil
}

// use says what a template is for.
func (d *describer) use(description rpccall.Description) string {
	if description.Kind != rpccall.KindMethod {
		return "As JSON:"
	}
	where := d.server.Service
	if d.server.Addr != "" {
		where = "--addr " + d.server.Addr + " " + where
	}
	if description.Methods[0].TakesStream {
		return fmt.Sprintf("Any number of these go to panda call %s %s:", where, description.Name)
	}
	return fmt.Sprintf("This goes to panda call %s %s:", where, description.Name)
}

func (d *describer) printTemplate(template string) error {
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(template), "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	_, err := indented.WriteTo(d.env.Stdout)
	return err
}

// described is what --json prints of one name.
type described struct {
	Name     string          `json:"name"`
	Kind     rpccall.Kind    `json:"kind"`
	Source   string          `json:"source"`
	Methods  []method        `json:"methods,omitempty"`
	Template json.RawMessage `json:"template,omitempty"`
}

type method struct {
	Name            string          `json:"name"`
	FullName        string          `json:"full_name"`
	Comment         string          `json:"comment,omitempty"`
	Request         string          `json:"request"`
	Response        string          `json:"response"`
	ClientStreaming bool            `json:"client_streaming"`
	ServerStreaming bool            `json:"server_streaming"`
	Idempotent      bool            `json:"idempotent"`
	Template        json.RawMessage `json:"template"`
}

// printJSON prints a list of services, or the one thing that was named.
func (d *describer) printJSON(descriptions []rpccall.Description, name string) error {
	list := make([]described, 0, len(descriptions))
	for _, description := range descriptions {
		one := described{Name: description.Name, Kind: description.Kind, Source: description.Source}
		if description.Template != "" {
			one.Template = json.RawMessage(description.Template)
		}
		for _, m := range description.Methods {
			one.Methods = append(one.Methods, method{
				Name: m.Name, FullName: m.FullName, Comment: m.Comment, Request: m.Request, Response: m.Response,
				ClientStreaming: m.TakesStream, ServerStreaming: m.SendsStream, Idempotent: m.Idempotent, Template: json.RawMessage(m.Template),
			})
		}
		list = append(list, one)
	}
	if name != "" {
		return d.env.PrintJSON(list[0])
	}
	return d.env.PrintJSON(list)
}

// complete completes SERVICE with what the registry knows and METHOD with what its server tells, types included once a
// letter of them is typed.
func (d *describer) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return command.CompleteService(d.env)(cmd, args, begun)
	case 1:
		d.server.Service = args[0]
		return d.server.Complete(cmd.Context(), begun, func(ctx context.Context, client *rpccall.Client) ([]string, error) {
			methods, err := client.Methods(ctx)
			names := reach.BareNames(methods, begun)
			if err != nil || strings.TrimSpace(begun) == "" {
				return names, err
			}
			types, err := client.Types(ctx)
			return append(names, types...), err
		})
	}
	return reach.None()
}
