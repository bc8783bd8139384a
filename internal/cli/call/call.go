// Package call is "panda call": calls of a method, found by the name of its service, from JSON to JSON; one, one a line,
// or very many to measure how long they take. It adds the command line to internal/rpccall and never speaks gRPC itself.
package call

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/metadata"

	"github.com/pandakit/panda/internal/cli/call/reach"
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
in every panda service; "panda describe" shows them, and a JSON to begin with.

Each answer is printed as one line of JSON. Fields that have their zero value are printed
too; absent messages and unset optional fields are not.

JSON is an argument, or what -d says: @FILE, or - for standard input. Without it messages are
read from standard input, unless that is a terminal and the method takes one message, which
is then {}. A method that takes a stream sends each value as soon as it is complete, and
answers are printed as they come. With --from-json-lines each line is a message: of one call
for a method that takes one message, of the one stream for the others.

--bench makes the same call over and over, and prints how long it took.

Calls are kept in a history, which --history lists and --again calls again; metadata that
looks like a credential is not kept, nor is a JSON with such a field. PANDA_HISTORY=off turns
it off.`

const example = `  panda call hello SayHello '{"name":"熊猫"}'
  panda call hello SayHello                          # the empty message
  panda call shop Order.Create -d @order.json
  panda call shop Order.Create --from-json-lines --continue-on-error <orders.jsonl
  tail -f prices.jsonl | panda call shop Prices/Feed
  panda call -H authorization='Bearer abc' --deadline 2s hello SayHello
  panda call --addr 127.0.0.1:10086 hello SayHello '{"name":"world"}'
  panda call --bench --callers 50 --for 10s hello SayHello '{"name":"world"}'
  panda call --again                                 # the last one`

// options are the flags.
type options struct {
	metadata    []string
	deadline    time.Duration
	deadlineSet bool
	addr        string
	showHeaders bool
	maxMessage  int // MiB
	data        string
	lines       bool
	goOn        bool
	bench       bool
	load        rpccall.Load
	json        bool
	history     bool
	again       int
}

// caller is one run of the command.
type caller struct {
	env     *command.Env
	options options
	service string
	method  string
	input   input
	changed map[string]string // flags that were given, but for those of the history
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	c := &caller{env: env}
	cmd := &cobra.Command{
		Use:               "call SERVICE METHOD [JSON]",
		Short:             "Call a method of a service from JSON",
		Long:              long,
		Example:           example,
		Args:              c.arguments,
		ValidArgsFunction: c.complete,
		RunE:              c.start,
	}
	c.flags(cmd)
	return cmd
}

func (c *caller) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&c.options.metadata, "metadata", "H", nil, "send `key=value` as metadata, any number of times; the value of a key ending in -bin is base64")
	flags.DurationVar(&c.options.deadline, "deadline", defaultDeadline, "give up after this time, 0 for never; a call with a stream has none unless it is set; each line and each call of a benchmark has its own")
	flags.StringVar(&c.options.addr, "addr", "", "call the server at this `host:port` instead of looking SERVICE up")
	flags.BoolVar(&c.options.showHeaders, "show-headers", false, "print the server's header and trailer to standard error")
	flags.IntVar(&c.options.maxMessage, "max-message", rpccall.DefaultMaxMessage>>20, "take no message larger than this many `MiB`")
	flags.StringVarP(&c.options.data, "data", "d", "", "take the messages from `@FILE`, - for standard input, or this JSON")
	flags.BoolVar(&c.options.lines, "from-json-lines", false, "take each line for a message, and make a call with each if the method takes one")
	flags.BoolVar(&c.options.goOn, "continue-on-error", false, "go on with the next line when one is wrong or its call fails")
	flags.BoolVar(&c.options.bench, "bench", false, "make the call over and over, and print how long it takes")
	flags.IntVar(&c.options.load.Callers, "callers", defaultCallers, fmt.Sprintf("with --bench, make this many calls at the same time, 1 to %d", rpccall.MaxCallers))
	flags.DurationVar(&c.options.load.For, "for", defaultFor, "with --bench, begin no call after this `time`, at most 1h")
	flags.IntVar(&c.options.load.Calls, "calls", 0, "with --bench, make this `many` calls, however long that takes unless --for is given too")
	flags.DurationVar(&c.options.load.WarmUp, "warm-up", defaultWarmUp, "with --bench, make calls for this `time` before those that count")
	flags.BoolVar(&c.options.json, "json", false, "with --bench or --history, print JSON")
	flags.BoolVar(&c.options.history, "history", false, "list the calls made before, and make none")
	flags.IntVar(&c.options.again, "again", 0, "make the last call again, or the one that --history gives the `number`; other flags given replace its own")
	flags.Lookup("again").NoOptDefVal = "1"
}

func (c *caller) arguments(cmd *cobra.Command, args []string) error {
	if c.options.history || cmd.Flags().Changed("again") {
		return c.historyArguments(args)
	}
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

func (c *caller) start(cmd *cobra.Command, args []string) error {
	c.changed = changedFlags(cmd)
	switch {
	case c.options.history:
		return c.listHistory()
	case cmd.Flags().Changed("again"):
		return c.again(cmd, args)
	}
	c.service, c.method = args[0], args[1]
	if len(args) == 3 {
		c.input.argument, c.input.given = args[2], true
	}
	return c.run(cmd)
}

func (c *caller) run(cmd *cobra.Command) error {
	c.options.deadlineSet = cmd.Flags().Changed("deadline")
	act := fmt.Sprintf("call %s/%s", c.service, c.method[strings.LastIndexAny(c.method, "/.")+1:])
	return reach.Wrap(act, c.make(cmd.Context()))
}

// make makes the call, or calls, that the command line asks for.
func (c *caller) make(ctx context.Context) error {
	md, err := c.check()
	if err != nil {
		return err
	}
	defer c.input.close()
	deadline := c.options.deadline
	if (c.options.bench || c.options.lines) && deadline > 0 {
		deadline = max(deadline, defaultDeadline) // the one that was set is each call's own, and the look-up is none of them
	}
	server := &reach.Server{Env: c.env, Service: c.service, Addr: c.options.addr, Deadline: deadline}
	bounded, cancel := ctx, func() {}
	if c.options.deadlineSet && deadline > 0 {
		bounded, cancel = context.WithTimeout(ctx, deadline) // of all that it takes
	}
	defer cancel()
	conn, closer, err := server.Connect(bounded)
	if err != nil {
		return server.Failure(ctx, err)
	}
	defer closer.Close() // the answer is printed; nothing is left to save
	client := rpccall.NewClient(conn, c.options.maxMessage<<20)
	method, err := client.Method(bounded, c.method)
	if err != nil {
		return server.Failure(ctx, err)
	}
	defer c.record() // when it is known whether standard input had messages
	request := c.request(method, md)
	switch {
	case c.options.bench:
		err = c.bench(ctx, client, request)
	case c.options.lines:
		err = c.lines(ctx, client, server, request)
	default:
		err = c.once(bounded, client, request)
	}
	return c.failure(ctx, server, err)
}

// check finds what is wrong with the command line before anything is asked of anyone.
func (c *caller) check() (metadata.MD, error) {
	if c.options.deadline < 0 {
		return nil, command.Usagef("--deadline %v is negative", c.options.deadline)
	}
	if c.options.maxMessage < 1 || c.options.maxMessage > maxMessageMiB {
		return nil, command.Usagef("--max-message %d is not between 1 and %d", c.options.maxMessage, maxMessageMiB)
	}
	if err := c.checkModes(); err != nil {
		return nil, command.Usage(err)
	}
	md, err := parseMetadata(c.options.metadata)
	if err != nil {
		return nil, command.Usage(err)
	}
	if err := c.input.prepare(c); err != nil {
		return nil, command.Usage(err)
	}
	return md, nil
}

// checkModes finds flags that do not go together.
func (c *caller) checkModes() error {
	given := func(name string) bool { _, ok := c.changed[name]; return ok }
	if !c.options.bench {
		for _, name := range []string{"callers", "for", "calls", "warm-up", "json"} {
			if given(name) {
				return fmt.Errorf("--%s is nothing without --bench", name)
			}
		}
	}
	switch {
	case c.options.goOn && !c.options.lines:
		return errors.New("--continue-on-error is nothing without --from-json-lines")
	case c.options.bench && c.options.lines:
		return errors.New("--bench makes one call over and over: it does not go with --from-json-lines")
	case c.options.bench && c.options.showHeaders:
		return errors.New("--bench prints no answers: it does not go with --show-headers")
	case c.options.bench:
		return c.checkLoad(given)
	}
	return nil
}

func (c *caller) request(method *rpccall.Method, md metadata.MD) rpccall.Request {
	read := rpccall.NewInput
	if c.options.lines {
		read = rpccall.NewLines
	}
	request := rpccall.Request{
		Method:   method,
		Input:    read(c.input.reader(c.env, method), c.options.maxMessage<<20),
		Ahead:    c.input.isArgument(),
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
	return request
}

// once makes one call. A deadline that was set is in ctx already.
func (c *caller) once(ctx context.Context, client *rpccall.Client, request rpccall.Request) error {
	stream := request.Method.TakesStream() || request.Method.SendsStream()
	if !c.options.deadlineSet && !stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.options.deadline)
		defer cancel()
	}
	return client.Call(ctx, request)
}

// lines makes a call with each line, or sends each line of one call.
func (c *caller) lines(ctx context.Context, client *rpccall.Client, server *reach.Server, request rpccall.Request) error {
	each, failed := rpccall.Each{Timeout: c.options.deadline}, 0
	if request.Method.TakesStream() && !c.options.deadlineSet {
		each.Timeout = 0
	}
	if c.options.goOn {
		each.Failed = func(line *rpccall.LineError) error {
			failed++
			fmt.Fprintf(c.env.Stderr, "%s\n", rpccall.Printable(c.failure(ctx, server, line).Error()))
			return nil
		}
	}
	err := client.CallLines(ctx, request, each)
	if err == nil && failed > 0 {
		return fmt.Errorf("%s failed", counted(failed))
	}
	return err
}

// failure turns what ended a call into an exit code and advice.
func (c *caller) failure(ctx context.Context, server *reach.Server, err error) error {
	if errors.Is(err, errNotKept) {
		return notKept(errNotKept) // without the number of the line, which there is not
	}
	_, answered := errors.AsType[*rpccall.StatusError](err)
	if !answered && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return command.Advise(fmt.Errorf("standard input did not end within %v", c.options.deadline),
			"give the JSON as an argument, or redirect standard input from /dev/null for an empty message")
	}
	return server.Failure(ctx, c.input.locate(err))
}

func counted(lines int) string {
	if lines == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", lines)
}
