// Package call is "panda call": one call of a method, found by the name of its service, from JSON to
// JSON. It adds the command line to internal/rpccall and never speaks gRPC itself.
package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/rpccall"
)

const (
	defaultDeadline = 10 * time.Second
	maxMessageMiB   = 1024
)

const long = `Call a method of a service, with messages written as JSON.

SERVICE is looked up in the registry; --addr calls one address instead. METHOD is the bare
name, or has its service before it: SayHello, HelloService/SayHello,
myproto.HelloService/SayHello. The server tells its methods by gRPC reflection, which is on
in every panda service.

Each answer is printed as one line of JSON. Fields that have their zero value are printed
too; absent messages and unset optional fields are not.

Without JSON, or with "-", messages are read from standard input, unless that is a terminal
and the method takes one message, which is then {}. A method that takes a stream sends each
value as soon as it is complete, and answers are printed as they come.`

const example = `  panda call hello SayHello '{"name":"熊猫"}'
  panda call hello SayHello                          # the empty message
  panda call shop Order.Create <order.json
  tail -f prices.jsonl | panda call shop Prices/Feed
  panda call -H authorization='Bearer abc' --deadline 2s hello SayHello
  panda call --addr 127.0.0.1:10086 hello SayHello '{"name":"world"}'`

// options are the flags.
type options struct {
	metadata    []string
	deadline    time.Duration
	addr        string
	showHeaders bool
	maxMessage  int // MiB
}

// caller is one run of the command.
type caller struct {
	env     *command.Env
	options options
	service string
	method  string
	json    string // "-" for standard input
	given   bool   // json was an argument
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	c := caller{env: env}
	cmd := &cobra.Command{
		Use:               "call SERVICE METHOD [JSON]",
		Short:             "Call a method of a service from JSON",
		Long:              long,
		Example:           example,
		Args:              arguments,
		ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.service, c.method = args[0], args[1]
			if len(args) == 3 {
				c.json, c.given = args[2], args[2] != "-"
			}
			return c.run(cmd.Context(), cmd.Flags().Changed("deadline"))
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&c.options.metadata, "metadata", "H", nil, "send `key=value` as metadata, any number of times; the value of a key ending in -bin is base64")
	flags.DurationVar(&c.options.deadline, "deadline", defaultDeadline, "give up the call after this time, 0 for never; a call with a stream has none unless it is set")
	flags.StringVar(&c.options.addr, "addr", "", "call the server at this `host:port` instead of looking SERVICE up")
	flags.BoolVar(&c.options.showHeaders, "show-headers", false, "print the server's header and trailer to standard error")
	flags.IntVar(&c.options.maxMessage, "max-message", rpccall.DefaultMaxMessage>>20, "take no message larger than this many `MiB`")
	return cmd
}

func arguments(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("no SERVICE and no METHOD given")
	case 1:
		return fmt.Errorf("no METHOD of %q given", args[0])
	case 2, 3:
		return nil
	}
	return fmt.Errorf("%q is one argument too many: quote the JSON as a whole", args[3])
}

func (c *caller) run(ctx context.Context, deadlineSet bool) error {
	md, err := c.check()
	if err != nil {
		return c.wrap(err)
	}
	conn, closer, err := c.connect(ctx)
	if err != nil {
		return c.wrap(err)
	}
	defer func() { _ = closer.Close() }() // the answer is printed; nothing is left to save
	client := rpccall.NewClient(conn, c.options.maxMessage<<20)
	method, err := c.find(ctx, client, deadlineSet)
	if err != nil {
		return c.wrap(c.methodError(ctx, err))
	}
	err = c.call(ctx, client, method, md, deadlineSet)
	return c.wrap(c.callError(ctx, err))
}

// find asks for the method. A deadline that was set bounds the question too, and then, from its full
// length, the call.
func (c *caller) find(ctx context.Context, client *rpccall.Client, deadlineSet bool) (*rpccall.Method, error) {
	if deadlineSet && c.options.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.options.deadline)
		defer cancel()
	}
	return client.Method(ctx, c.method)
}

// check finds what is wrong with the command line before anything is asked of anyone.
func (c *caller) check() (metadata.MD, error) {
	if c.options.deadline < 0 {
		return nil, command.Usagef("--deadline %v is negative", c.options.deadline)
	}
	if c.options.maxMessage < 1 || c.options.maxMessage > maxMessageMiB {
		return nil, command.Usagef("--max-message %d is not between 1 and %d", c.options.maxMessage, maxMessageMiB)
	}
	if c.given {
		if err := rpccall.NewInput(strings.NewReader(c.json), c.options.maxMessage<<20).Check(); err != nil {
			return nil, command.Usage(err)
		}
	}
	md, err := parseMetadata(c.options.metadata)
	if err != nil {
		return nil, command.Usage(err)
	}
	return md, nil
}

func (c *caller) call(ctx context.Context, client *rpccall.Client, method *rpccall.Method, md metadata.MD, deadlineSet bool) error {
	stream := method.TakesStream() || method.SendsStream()
	if c.options.deadline > 0 && (deadlineSet || !stream) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.options.deadline)
		defer cancel()
	}
	request := rpccall.Request{
		Method:   method,
		Input:    rpccall.NewInput(c.input(method), client.MaxMessage()),
		Ahead:    c.given,
		Metadata: md,
		Message: func(line []byte) error {
			_, err := c.env.Stdout.Write(append(line, '\n'))
			return err
		},
	}
	if c.options.showHeaders {
		request.Header = func(md metadata.MD) { printMetadata(c.env.Stderr, "header", md) }
		request.Trailer = func(md metadata.MD) { printMetadata(c.env.Stderr, "trailer", md) }
	}
	return client.Call(ctx, request)
}

// input is where the messages come from.
func (c *caller) input(method *rpccall.Method) io.Reader {
	switch {
	case c.given:
		return strings.NewReader(c.json)
	case c.env.Stdin == nil, c.json == "" && !method.TakesStream() && isTerminal(c.env.Stdin):
		return strings.NewReader("")
	}
	return c.env.Stdin
}

func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// complete completes SERVICE with what the registry knows and METHOD with what its server tells.
func (c *caller) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return command.CompleteService(c.env)(cmd, args, begun)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	c.service = args[0]
	conn, closer, err := c.connect(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer func() { _ = closer.Close() }()
	methods, err := rpccall.NewClient(conn, 0).Methods(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return bareNames(methods, begun), cobra.ShellCompDirectiveNoFileComp
}

// bareNames shortens full names of methods where that is not ambiguous.
func bareNames(methods []string, begun string) []string {
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

// connect returns a connection to the service, and what ends it.
func (c *caller) connect(ctx context.Context) (grpc.ClientConnInterface, io.Closer, error) {
	if c.options.addr != "" {
		return dialAddress(c.options.addr)
	}
	return dialService(ctx, c.env, c.service)
}
