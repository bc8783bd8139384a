// Package upgrade is "panda upgrade": a new version of a service takes the place of the one that runs, without losing a
// call. It combines the order of the steps, internal/rollout, with those that can take them: a running "panda up", and an engine's containers.
// How instances are started and drained is theirs.
package upgrade

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/breaking"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/running"
	"github.com/pandakit/panda/internal/rollout"
)

const long = `Upgrade a running service without losing a call. The new version is what the service's folder has
now, unless --from or --binary says otherwise. Each step is told as it is taken:

  rehearse  one instance of the new version starts where nobody calls it; its API is compared with
            that of what runs, and a change that breaks callers ends the upgrade (exit code 3)
  canary    with --canary 10%, one instance gets that share of the calls for --canary-time; it is
            taken back when it does worse than the old ones (exit code 3)
  start     as many instances as run start beside them, one after the other, each until it passes
  drain     the old ones leave the registry, finish their calls and end, one after the other

A failure before the last new instance passes, and Ctrl-C, take the new ones back: the old ones have
served all along. After that only drains are left, which Ctrl-C does not stop; a second Ctrl-C ends
the command at once, and "panda up" finishes what is left to do, as it does when this is killed.

A canary is judged by what it and the old instances count on GET /metrics, every second, once both
sides have had 50 calls. It does worse when 5 or more of its calls failed, the part that did is larger
by 1 percentage point or more, and chance makes such a difference less than once in 4,000 looks; or
when a call takes 1.5 times as long at the mean, and 10 ms longer, with the same certainty. A call
fails with any status but OK and CANCELLED, HTTP's from 400. Fewer calls are no judgement: the canary
is taken back, which is an error. Its share is made of weights; services of "panda up" have 100 each.

"panda up" upgrades a service by itself when its files are saved; start it with --no-reload to
decide when. When what runs is the same, nothing is done. The new instances get the folder, arguments
and environment of the old ones. What --from or --binary has brought in runs until a save, "panda
restart" or an upgrade builds the folder again.

` + running.Help + `

A service that it does not have, or any with --image or --engine, is looked for among the containers
with the label dev.panda.service=SERVICE of the engine that DOCKER_HOST or Docker's context names, or
that listens at a usual place. The new version is then --image, which the engine has already. Each
new container is like the newest one that runs, with the lowest number that is free for its name;
they have to be registered where CONSUL_HTTP_ADDR says, and be reached at their own addresses. The
old ones get SIGTERM and their stop timeout, 35 s unless they have one, and are removed. When this is
killed, what runs serves on; the next upgrade replaces all of it by as many as there were before.

Exit codes: 0 upgraded or nothing to do, 1 failed, 2 wrong usage, 3 incompatible or worse.`

const example = `  panda upgrade hello
  panda upgrade hello --canary 10% --canary-time 1m
  panda upgrade hello --from ../hello-v2      # another checkout
  panda upgrade hello --binary ./build/hello
  panda upgrade hello --image hello:2         # that runs in containers`

// maxCanary is the largest share of a canary: with more it is the old version that would be tried.
const maxCanary = 0.5

// minCanaryTime is the shortest time that a canary can be judged in: it is looked at every second.
const minCanaryTime = time.Second

// upgrader is one run of the command.
type upgrader struct {
	env        *command.Env
	service    string
	share      string // --canary as it is given
	canary     float64
	canaryTime time.Duration
	from       string
	binary     string
	noCheck    bool
	engine     bool   // containers are meant
	image      string // of the new version, of containers
	project    string // of Compose
}

// source is somewhere that instances of services run.
type source struct {
	// open makes ready to upgrade the service. The error is a *notHereError when none of it runs there.
	open func(ctx context.Context, u *upgrader) (*opened, error)
}

// opened is a service that can be upgraded.
type opened struct {
	fleet rollout.Fleet
	where string                    // for people
	same  string                    // why there is nothing to do; "" when there is something
	close func(ctx context.Context) // returns when nothing is going on any more, or when ctx ends
}

// notHereError says that a source has no instance of the service.
type notHereError struct{ error }

func (e *notHereError) Unwrap() error { return e.error }

// sources are asked in this order.
func (u *upgrader) sources() []source {
	if u.engine || u.image != "" {
		return []source{{openContainers}}
	}
	return []source{{openWorkspace}, {openContainers}}
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	u := &upgrader{env: env}
	cmd := &cobra.Command{
		Use:               "upgrade SERVICE",
		Short:             "Upgrade a running service without losing a call",
		Long:              long,
		Example:           example,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: running.Complete(env, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u.service = args[0]
			return u.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&u.share, "canary", "", "try one instance with this `SHARE` of the calls first, such as 10%")
	flags.DurationVar(&u.canaryTime, "canary-time", rollout.DefaultCanaryTime, "how long the canary is judged")
	flags.StringVar(&u.from, "from", "", "build the new version from this other checkout, a `FOLDER`")
	flags.StringVar(&u.binary, "binary", "", "run this executable `FILE` as the new version")
	flags.StringVar(&u.image, "image", "", "upgrade containers to this image, a `REFERENCE` that the engine has")
	flags.BoolVar(&u.engine, "engine", false, "upgrade containers, whatever \"panda up\" runs")
	flags.StringVar(&u.project, "project", "", "the Compose `project` of the containers, where there are several")
	flags.BoolVar(&u.noCheck, "no-check", false, "leave out the rehearsal and the comparison of the APIs")
	return cmd
}

// check finds what is wrong with the flags.
func (u *upgrader) check() error {
	if u.from != "" && u.binary != "" {
		return command.Usagef("upgrade %s: --from and --binary are given; which one is the new version?", u.service)
	}
	if (u.engine || u.image != "") && (u.from != "" || u.binary != "") {
		return command.Usagef("upgrade %s: --from and --binary are for \"panda up\"; containers are upgraded to an --image", u.service)
	}
	if u.canaryTime < minCanaryTime {
		return command.Usagef("upgrade %s: --canary-time %v: want %v or more", u.service, u.canaryTime, minCanaryTime)
	}
	for _, path := range []*string{&u.from, &u.binary} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(u.env.Dir, *path)
		}
	}
	if u.share == "" {
		return nil
	}
	number, found := strings.CutSuffix(u.share, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if err != nil || !found || math.IsNaN(percent) {
		return command.Usagef("upgrade %s: --canary %q: want a share of the calls in percent, such as 10%%", u.service, u.share)
	}
	if u.canary = percent / 100; u.canary <= 0 || u.canary > maxCanary {
		return command.Usagef("upgrade %s: --canary %s: want more than 0%%, and no more than %.0f%%", u.service, u.share, 100*maxCanary)
	}
	return nil
}

func (u *upgrader) run(ctx context.Context) error {
	if err := u.check(); err != nil {
		return err
	}
	kill, release := secondInterrupt()
	defer release()
	found, err := u.open(ctx)
	if err != nil {
		return err
	}
	closing, hurry := context.WithCancel(context.WithoutCancel(ctx))
	defer hurry()
	defer afterClosed(kill, hurry)()
	defer found.close(closing)
	if found.same != "" {
		_, err := fmt.Fprintf(u.env.Stdout, "%s: nothing to upgrade: %s\n", u.service, found.same)
		return err
	}
	u.tell(time.Now(), fmt.Sprintf("upgrading %s, which runs in %s", u.service, found.where))
	plan := rollout.Plan{
		Canary: u.canary, CanaryTime: u.canaryTime, Measure: measure, Kill: kill,
		Observe: func(e rollout.Event) { u.tell(e.At, e.String()) },
	}
	if !u.noCheck {
		plan.Check = compare
	}
	return u.explain(ctx, rollout.Run(ctx, found.fleet, plan))
}

// open returns the first source that has the service; when none has, the first says why.
func (u *upgrader) open(ctx context.Context) (*opened, error) {
	var none error
	for _, s := range u.sources() {
		found, err := s.open(ctx, u)
		absent, ok := errors.AsType[*notHereError](err)
		if !ok {
			return found, err
		}
		if none == nil {
			none = absent.error
		}
	}
	return nil, none
}

// tell prints what happens. When nobody reads it any more that is no reason to end half way.
func (u *upgrader) tell(at time.Time, text string) {
	_, _ = fmt.Fprintf(u.env.Stdout, "%s  %s\n", at.Format(time.TimeOnly), text)
}

// compare tells whether callers of old are served by fresh.
func compare(ctx context.Context, old, fresh rollout.Instance) error {
	findings, err := breaking.Between(ctx, old.Address, fresh.Address)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		return &rollout.IncompatibleError{Findings: findings}
	}
	return nil
}

// explain says what is there after an upgrade that did not get through.
func (u *upgrader) explain(ctx context.Context, err error) error {
	failed, ok := errors.AsType[*rollout.Error](err)
	if !ok {
		return err
	}
	advice := command.Advice(failed.Err)
	state := "the old version serves as before"
	if failed.Upgraded {
		state = "the new version serves"
	}
	if ctx.Err() != nil && !failed.Upgraded {
		failed.Err = errors.New("interrupted")
	}
	told := fmt.Errorf("upgrade %s: %w; %s", u.service, failed, state)
	if broken, ok := errors.AsType[*rollout.IncompatibleError](err); ok {
		for _, finding := range broken.Findings {
			_, _ = fmt.Fprintln(u.env.Stdout, finding) // the error says as much
		}
		return command.Advise(command.Findings(told), "upgrade the callers first, or leave the comparison out: --no-check")
	}
	if _, worse := errors.AsType[*rollout.WorseError](err); worse {
		return command.Findings(told)
	}
	if _, few := errors.AsType[*rollout.UndecidedError](err); few {
		advice = "give it longer with --canary-time, or more calls with a larger --canary"
	}
	if _, share := errors.AsType[*rollout.ShareError](err); share {
		advice = "take another --canary, or give the instances more weight: PANDA_WEIGHT=100"
	}
	if advice != "" {
		return command.Advise(told, advice)
	}
	return told
}
