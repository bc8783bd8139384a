package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/workspace/build"
	"github.com/pandakit/panda/internal/workspace/config"
	"github.com/pandakit/panda/internal/workspace/find"
)

// DefaultWeight is what each instance registers with unless panda.yaml says otherwise: beside a hundred, a canary's can be
// a few.
const DefaultWeight = 100

// maxRehearsals is how many ports are tried for an instance that is rehearsed.
const maxRehearsals = 3

// Version says what an upgrade brings in: the service's own folder as it is now, unless a field is set.
type Version struct {
	From   string // another checkout of the workspace's folder, or of the service's own; absolute
	Binary string // an executable, which is copied; absolute
}

// UpgradeInstance is an instance that takes part in an upgrade.
type UpgradeInstance struct {
	ID      string `json:"id"`
	Label   string `json:"label"`
	Address string `json:"address"` // host:port; "" while it is not registered
	Weight  int    `json:"weight"`
}

// Upgrade is one on its way: the service has its old instances, and gets new ones beside them as its owner asks. Its
// methods are called one at a time. An old instance that is drained decides for the new ones: see [Runner.Upgrade].
type Upgrade struct {
	// Old are the instances that are to be replaced, those that are passing before those that are not.
	Old []UpgradeInstance
	// Same says that what they run already is what would be brought in.
	Same bool

	r       *Runner
	s       *running
	ctx     context.Context //nolint:containedctx // ends with the upgrade, and when the services are to stop
	old     []*instance
	fresh   []*instance // that are to stay
	others  []*instance // a canary, and what is rehearsed
	decided bool        // for the new ones
}

// Upgrade builds a version of a service and lets do bring it in; while do runs nothing else changes the service's
// instances. When do returns, or had no chance to, the service has as many as it had before: those of the new
// version when an old one has been drained, else the old ones. Nothing is drained before do asks for it.
//
// What cannot run twice cannot be upgraded: that, and what else makes no sense, are the errors of [Runner.Restart]. The
// context of do ends with ctx, and when the services are to stop.
func (r *Runner) Upgrade(ctx context.Context, name string, version Version, do func(ctx context.Context, u *Upgrade) error) error {
	s := r.service(name)
	if s == nil {
		return &UnknownServiceError{name, r.names()}
	}
	return r.act(ctx, func(ctx context.Context) error {
		u := &Upgrade{r: r, s: s, ctx: ctx}
		built, err := u.prepare(ctx, version)
		if built != nil {
			defer built.discard()
		}
		if err != nil {
			return err
		}
		defer s.busy.release()
		path := built.of(s)
		u.Same = r.same(s, path)
		before := r.use(s, path)
		defer u.end(before)
		return do(ctx, u)
	})
}

// prepare builds the version, and returns holding the service's lock. No other build and no reload may run meanwhile.
func (u *Upgrade) prepare(ctx context.Context, version Version) (*rebuilt, error) {
	r, s := u.r, u.s
	if err := r.idle(s); err != nil {
		return nil, err
	}
	if err := r.rolling.acquire(ctx); err != nil {
		return nil, err
	}
	defer r.rolling.release()
	if err := s.busy.acquire(ctx); err != nil {
		return nil, err
	}
	err := u.take()
	if err != nil {
		s.busy.release()
		return nil, err
	}
	built, err := r.buildVersion(ctx, s, version)
	if err != nil {
		u.release()
		s.busy.release()
	}
	return built, err
}

// take takes note of what runs.
func (u *Upgrade) take() error {
	r, s := u.r, u.s
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.Registry == "":
		return refusedf("%s registers nothing, so no call would go to a new instance", s.Name)
	case s.Oneshot:
		return refusedf("%s is a one-shot program", s.Name)
	case s.Debugger != nil:
		return refusedf("%s is being debugged", s.Name)
	case s.attached != nil:
		return refusedf("%s is attached at %s; detach it first: panda attach --detach %s", s.Name, s.attached.address, s.Name)
	case config.FixedPort(s.Env):
		return refusedf("%s cannot run twice: its PANDA_ADDR %q is one port", s.Name, s.Env["PANDA_ADDR"])
	case s.stopped || len(s.instances) == 0:
		return refusedf("%s does not run", s.Name)
	}
	u.old = slices.Clone(s.instances)
	for _, passing := range []bool{true, false} {
		for _, i := range u.old {
			if i.passing == passing {
				u.Old = append(u.Old, u.shown(i))
			}
		}
	}
	s.upgrade = u
	return nil
}

func (u *Upgrade) release() {
	u.r.mu.Lock()
	defer u.r.mu.Unlock()
	u.s.upgrade = nil
}

// upgrading reports whether the owner of an upgrade decides about the service's instances. Once it has ended it, or is gone, the
// rest takes as long as drains take, and whoever wants the instances next waits for that.
func (s *running) upgrading() bool { return s.upgrade != nil && s.upgrade.ctx.Err() == nil }

// idle refuses what would change the instances of a service that is being upgraded.
func (r *Runner) idle(services ...*running) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range services {
		if s.upgrading() {
			return refusedf("%s is being upgraded", s.Name)
		}
	}
	return nil
}

// buildVersion makes the executable. The caller discards what it returns, also with an error.
func (r *Runner) buildVersion(ctx context.Context, s *running, version Version) (*rebuilt, error) {
	if r.Build == nil {
		return nil, errors.New("this workspace builds nothing")
	}
	switch {
	case version.Binary != "":
		result := r.newRebuilt()
		path := filepath.Join(result.folder, filepath.Base(s.binary.path))
		result.binaries = Binaries{s.Name: path}
		if err := os.MkdirAll(result.folder, 0o700); err != nil {
			return result, err
		}
		if err := executable(version.Binary); err != nil {
			return result, err
		}
		return result, copyFile(version.Binary, path)
	case version.From != "":
		program, err := r.programIn(ctx, s, version.From)
		if err != nil {
			return nil, err
		}
		result := r.newRebuilt()
		if err := os.MkdirAll(result.folder, 0o700); err != nil {
			return result, err
		}
		path := filepath.Join(result.folder, filepath.Base(s.binary.path))
		result.binaries = Binaries{s.Name: path}
		cfg := *r.Build
		cfg.Done = func(build.Result) {}
		return result, build.All(ctx, []build.Target{{
			Name: s.Name, Dir: program.Dir, Module: program.Module.Dir, Env: program.Module.Env, Output: path,
		}}, cfg)
	}
	return r.rebuild(ctx, []*running{s})
}

// executable refuses what cannot be run here.
func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return refusedf("there is no file %s", path)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return refusedf("%s is no file", path)
	case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return refusedf("%s is not executable", path)
	}
	return nil
}

// programIn finds the service's main package in another checkout: at the place where it has its own in the workspace, or
// the folder itself.
func (r *Runner) programIn(ctx context.Context, s *running, from string) (*find.Program, error) {
	if info, err := os.Stat(from); err != nil || !info.IsDir() {
		return nil, refusedf("there is no folder %s", from)
	}
	programs, err := find.Programs(ctx, from, r.Build.Environ)
	if _, none := errors.AsType[*find.NoModuleError](err); none {
		return nil, refusedf("%s is in no Go module", from)
	}
	if err != nil {
		return nil, err
	}
	if from, err = filepath.EvalSymlinks(from); err != nil {
		return nil, err
	}
	places := []string{from}
	for _, folder := range r.folders {
		if relative, err := filepath.Rel(folder, s.Dir); err == nil && filepath.IsLocal(relative) {
			places = append(places, filepath.Join(from, relative))
		}
	}
	for _, place := range slices.Backward(places) {
		for at := range programs {
			if programs[at].Dir == place {
				return &programs[at], nil
			}
		}
	}
	return nil, refusedf("%s has no program in %s", from, strings.Join(relativeTo(from, places), " or "))
}

func relativeTo(base string, paths []string) []string {
	var list []string
	for _, path := range paths {
		if relative, err := filepath.Rel(base, path); err == nil {
			path = relative
		}
		if !slices.Contains(list, path) {
			list = append(list, path)
		}
	}
	return list
}

func (u *Upgrade) shown(i *instance) UpgradeInstance {
	return UpgradeInstance{ID: i.id, Label: i.id, Address: i.seen.Address, Weight: u.s.weight()}
}

// weight returns the one that instances of the service register with, as far as panda.yaml says.
func (s *Service) weight() int {
	if n, err := strconv.Atoi(s.Env["PANDA_WEIGHT"]); err == nil && n > 0 {
		return n
	}
	return DefaultWeight
}

// Rehearse starts an instance that is not registered, and returns it once it takes connections. [Upgrade.Drain] ends it.
func (u *Upgrade) Rehearse(ctx context.Context) (UpgradeInstance, error) {
	for attempt := 1; ; attempt++ {
		in, err := u.rehearse(ctx)
		if !errors.Is(err, errAlone) || attempt == maxRehearsals {
			return in, err
		}
	}
}

func (u *Upgrade) rehearse(ctx context.Context) (UpgradeInstance, error) {
	address, err := freeAddress()
	if err != nil {
		return UpgradeInstance{}, err
	}
	ctx, cancel := u.during(ctx)
	defer cancel()
	i := u.launch(u.extraPlace(), "PANDA_REGISTER=false", "PANDA_ADDR="+address)
	patience := time.NewTimer(u.r.Patience)
	defer patience.Stop()
	look := time.NewTicker(rehearsalProbe)
	defer look.Stop()
	for !answers(ctx, address) {
		select {
		case <-i.decided:
			err = i.failure
		case <-patience.C:
			err = fmt.Errorf("it takes no connections at %s after %v", address, u.r.Patience)
		case <-ctx.Done():
			err = ctx.Err()
		case <-look.C:
			continue
		}
		if err != nil {
			u.discard(i)
			if i.portTaken.Load() {
				err = errAlone
			}
			return UpgradeInstance{}, err
		}
	}
	u.others = append(u.others, i)
	return UpgradeInstance{ID: i.id, Label: i.id, Address: address}, nil
}

// rehearsalProbe is the time between two attempts to connect to an instance that is rehearsed.
const rehearsalProbe = 20 * time.Millisecond

// freeAddress returns one of loopback that is free now, and may be taken in a moment.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// Start starts an instance and returns it once it is passing. One with a weight of its own takes nobody's place; one
// without, 0, is to stay. An error leaves nothing.
func (u *Upgrade) Start(ctx context.Context, weight int) (UpgradeInstance, error) {
	place, extra := u.extraPlace(), []string{"PANDA_WEIGHT=" + strconv.Itoa(weight)}
	if weight == 0 {
		if len(u.fresh) == len(u.old) {
			return UpgradeInstance{}, refusedf("%s has as many new instances as it had old ones", u.s.Name)
		}
		place, extra = u.old[len(u.fresh)].n, nil
	}
	if u.r.stops() {
		return UpgradeInstance{}, context.Canceled
	}
	ctx, cancel := u.during(ctx)
	defer cancel()
	i := u.launch(place, extra...)
	if err := u.r.await(ctx, i); err != nil {
		u.discard(i)
		return UpgradeInstance{}, err
	}
	r := u.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.promote(i)
	u.s.instances = append(u.s.instances, i)
	if weight == 0 {
		u.fresh = append(u.fresh, i)
	} else {
		u.others = append(u.others, i)
	}
	r.Observe(Event{Kind: Passing, Label: i.label, Address: i.seen.Address, Took: time.Since(i.began)})
	in := u.shown(i)
	in.Weight = cmp.Or(weight, in.Weight)
	return in, nil
}

// during returns a context that ends with ctx and with the upgrade.
func (u *Upgrade) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(u.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// extraPlace is one that no instance of the service has.
func (u *Upgrade) extraPlace() int {
	u.r.mu.Lock()
	defer u.r.mu.Unlock()
	highest := u.s.replicas
	for _, i := range u.s.instances {
		highest = max(highest, i.n)
	}
	return highest + 1
}

func (u *Upgrade) launch(place int, extra ...string) *instance {
	u.r.mu.Lock()
	defer u.r.mu.Unlock()
	label := u.s.InstanceID(place)
	for _, i := range u.old {
		if i.n == place {
			label = i.label
		}
	}
	return u.r.launch(u.s, place, label, candidate, extra...)
}

// discard ends an instance that has come to nothing, and waits until it is gone.
func (u *Upgrade) discard(i *instance) {
	u.r.mu.Lock()
	i.role = leaving
	i.stop()
	u.r.mu.Unlock()
	<-i.done
}

// Drain ends an instance that takes part, and returns when it is gone; whether it had to be killed is told. To end an old
// one is to decide for the new ones. A ctx that ends earlier changes nothing but that it does not wait any more.
func (u *Upgrade) Drain(ctx context.Context, id string) (killed bool, err error) {
	all := slices.Concat(u.old, u.fresh, u.others)
	at := slices.IndexFunc(all, func(i *instance) bool { return i.id == id })
	if at < 0 {
		return false, refusedf("no instance of the upgrade of %s is called %q", u.s.Name, id)
	}
	i := all[at]
	if at < len(u.old) {
		if len(u.fresh) < len(u.old) {
			return false, refusedf("%s has %d new instances, and %d old ones that would not all be replaced", u.s.Name, len(u.fresh), len(u.old))
		}
		u.decided = true
	}
	u.r.takeOut(i)
	select {
	case <-i.done:
		return i.killed, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// takeOut asks an instance to end, which counts no more from now on.
func (r *Runner) takeOut(i *instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i.service.remove(i)
	if i.role == serving {
		i.role = stopping
	} else {
		i.role = leaving
	}
	i.stop()
}

// end leaves the service with one version of as many instances as before. The caller holds the service's lock until then.
func (u *Upgrade) end(before *binary) {
	r, s := u.r, u.s
	u.release()
	going := slices.Concat(u.fresh, u.others)
	if u.decided {
		going = slices.Concat(u.old, u.others)
	}
	if !r.stops() { // else they drain with all others, in their order
		for _, i := range going {
			r.takeOut(i)
		}
		for _, i := range going {
			<-i.done
		}
	}
	if u.decided {
		r.forgetBinary(before)
	} else {
		r.reuse(s, before)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.sort()
}

func (r *Runner) stops() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

// remove takes an instance out of those that serve, or are to.
func (s *running) remove(i *instance) {
	s.instances = slices.DeleteFunc(slices.Clone(s.instances), func(other *instance) bool { return other == i })
}

// put gives the place of one instance to another.
func (s *running) put(next, old *instance) {
	if at := slices.Index(s.instances, old); at >= 0 {
		s.instances[at] = next
		return
	}
	s.instances = append(s.instances, next)
	s.sort()
}

// sort orders the instances by their places.
func (s *running) sort() {
	slices.SortStableFunc(s.instances, func(a, b *instance) int { return a.n - b.n })
}

// free returns the lowest places that nothing has, so that with them there are n instances.
func (s *running) free(n int) []int {
	var places []int
	for at := 1; len(s.instances)+len(places) < n; at++ {
		if !slices.ContainsFunc(s.instances, func(i *instance) bool { return i.n == at }) {
			places = append(places, at)
		}
	}
	return places
}
