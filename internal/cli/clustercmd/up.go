package clustercmd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/consulcmd"
	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/cluster/control"
	"github.com/pandakit/panda/internal/netns"
)

const upLong = `Run a cluster until Ctrl-C, or with --detach until "panda cluster down". It is ready when it has a leader and
all nodes see each other. The Consul is the one on PATH, else the one that "panda consul install" has built.

Three servers survive the loss of one; with two, as -bootstrap-expect 2 makes them, the loss of either ends
all writes. Clients keep nothing, and hand requests on to servers.

The data is removed at the end, unless --data names a folder, which then can be used again.`

// options are the flags.
type options struct {
	servers, clients int
	namespaces       bool
	subnet           string
	acl, gossip, tls bool
	data             string
	ports            int
	detach, detached bool
}

func upCommand(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "up", Short: "Run a cluster", Long: upLong, Args: cobra.NoArgs,
		Example: "  panda cluster up\n  panda cluster up --acl --gossip-key --tls\n  sudo panda cluster up --namespaces --detach",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()
			return up(ctx, env, o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.servers, "servers", 3, "how many servers, 1 to 7")
	flags.IntVar(&o.clients, "clients", 1, "how many client agents")
	flags.BoolVar(&o.namespaces, "namespaces", false, "make each node a host of its own (Linux, root)")
	flags.StringVar(&o.subnet, "subnet", "10.77.0.0/24", "with --namespaces, the `NETWORK` of the hosts")
	flags.BoolVar(&o.acl, "acl", false, "deny what no token allows")
	flags.BoolVar(&o.gossip, "gossip-key", false, "encrypt what nodes tell each other about members")
	flags.BoolVar(&o.tls, "tls", false, "encrypt and authenticate calls between nodes, and serve HTTPS")
	flags.StringVar(&o.data, "data", "", "keep the data in a `FOLDER`")
	flags.IntVar(&o.ports, "ports", defaultPorts(), "put all nodes on 127.0.0.1, from this `PORT` on; 0: an address for each")
	flags.BoolVar(&o.detach, "detach", false, "return when the cluster is ready")
	flags.BoolVar(&o.detached, "detached", false, "close standard output when the cluster is ready")
	_ = flags.MarkHidden("detached") // it fails for a flag that is not there
	return cmd
}

// defaultPorts is 0 where loopback has more than one address.
func defaultPorts() int {
	if runtime.GOOS == "linux" {
		return 0
	}
	return cluster.DefaultPorts
}

func (o *options) check() (subnet netip.Prefix, err error) {
	switch {
	case o.servers < 1 || o.servers > cluster.MaxServers:
		return subnet, command.Usagef("--servers %d: want 1 to %d; 3 survive the loss of one", o.servers, cluster.MaxServers)
	case o.clients < 0 || o.servers+o.clients > cluster.MaxNodes:
		return subnet, command.Usagef("--clients %d: want 0 to %d", o.clients, cluster.MaxNodes-o.servers)
	case !o.namespaces:
		return subnet, nil
	}
	if subnet, err = netip.ParsePrefix(o.subnet); err != nil {
		return subnet, command.Usagef("--subnet %q: want a network such as 10.77.0.0/24", o.subnet)
	}
	if err := netns.Supported(); err != nil {
		return subnet, command.Advise(fmt.Errorf("--namespaces: %w", err), "run it as root on Linux, with iproute2 installed, or leave --namespaces out")
	}
	o.ports = 0
	return subnet, nil
}

func up(ctx context.Context, env *command.Env, o options) error {
	subnet, err := o.check()
	if err != nil {
		return err
	}
	binary, err := consulcmd.Need(env, "run a cluster")
	if err != nil {
		return err
	}
	if o.detach {
		return detach(ctx, env)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	claimed, err := control.Claim(ctx, control.Folder(env.Getenv))
	if err != nil {
		if _, ok := errors.AsType[*control.RunningError](err); ok {
			return command.Advise(err, `see it with "panda cluster status", end it with "panda cluster down"`)
		}
		return err
	}
	defer claimed.Release()
	r := &run{env: env, options: o, claimed: claimed, stop: stop, out: env.Stdout}
	err = r.run(ctx, binary, subnet)
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted before the cluster was ready")
	}
	return explain(err)
}

// explain tells wrong use from what fails, and what to do about it.
func explain(err error) error {
	if busy, ok := errors.AsType[*cluster.BusyError](err); ok {
		return command.Advise(busy, "another Consul may run there: end it, or take other ports with: panda cluster up --ports 18300")
	}
	if errors.Is(err, cluster.ErrOther) {
		return command.Advise(err, "start it with the same flags as before, or give another folder")
	}
	return err
}

// run is one cluster from its start to its end.
type run struct {
	env     *command.Env
	options options
	claimed *control.Claimed
	stop    func()
	began   time.Time

	mu    sync.Mutex // held while one line is written
	out   io.Writer
	shown bool // the cluster was told to be ready; what ends before is an error
}

func (r *run) run(ctx context.Context, binary string, subnet netip.Prefix) (err error) {
	r.began = time.Now()
	data, own, err := r.dataFolder()
	if err != nil {
		return err
	}
	labName := ""
	if r.options.namespaces {
		labName = labNameOf(control.Folder(r.env.Getenv))
	}
	defer func() {
		if own {
			err = errors.Join(err, os.RemoveAll(data))
		}
	}()
	if err := r.claimed.Update(func(d *control.Description) { d.Data, d.OwnData, d.Lab = data, own, labName }); err != nil {
		return err
	}
	var lab *netns.Lab
	if labName != "" {
		lab, err = netns.New(ctx, labName, subnet, cluster.Names(r.options.servers, r.options.clients)...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lab.Close()) }()
	}
	c, err := cluster.Start(ctx, cluster.Config{
		Binary: binary, Folder: data, Environ: consulcmd.Marked(r.env.Environ()), Lab: lab, Ports: r.options.ports,
		Servers: r.options.servers, Clients: r.options.clients,
		ACL: r.options.acl, Gossip: r.options.gossip, TLS: r.options.tls, Observe: r.observe,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	return r.serve(ctx, c)
}

// labNameOf returns a name that no other user's network has.
func labNameOf(folder string) string {
	return fmt.Sprintf("pc%x", sha256.Sum256([]byte(folder)))[:8]
}

func (r *run) dataFolder() (folder string, own bool, err error) {
	if r.options.data == "" {
		folder, err = os.MkdirTemp("", "panda-cluster-")
		return folder, true, err
	}
	folder = r.options.data
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(r.env.Dir, folder)
	}
	if info, err := os.Stat(folder); err == nil && !info.IsDir() {
		return "", false, command.Usagef("--data %s: it is not a folder", r.options.data)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("--data: %w", err)
	}
	return folder, false, nil
}

// serve tells that the cluster is ready, and has others steer it until ctx ends.
func (r *run) serve(ctx context.Context, c *cluster.Cluster) error {
	server, err := control.Serve(r.claimed, c, r.stop)
	if err != nil {
		return err
	}
	defer server.Close()
	status := c.Status(ctx)
	if err := r.ready(status); err != nil {
		return err
	}
	<-ctx.Done()
	r.say("ending")
	return nil
}

func (r *run) ready(s cluster.Status) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := printNodes(r.env, s); err != nil {
		return err
	}
	for _, v := range variables(s, entry(s)) {
		fmt.Fprintf(r.out, "export %s\n", v)
	}
	r.shown = true
	how := "Ctrl-C ends it"
	if r.options.detached {
		how = `"panda cluster down" ends it`
	}
	fmt.Fprintf(r.out, "Ready in %.1fs: Consul %s; data in %s; %s\n", time.Since(r.began).Seconds(), s.Consul, s.Data, how)
	if closer, ok := r.out.(io.Closer); ok && r.options.detached {
		r.out = r.env.Stderr
		return closer.Close()
	}
	return nil
}

// observe tells what becomes of nodes once the cluster is ready.
func (r *run) observe(node, what string) { r.say(node + " " + what) }

func (r *run) say(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shown {
		fmt.Fprintln(r.out, line)
	}
}
