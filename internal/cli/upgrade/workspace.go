package upgrade

import (
	"context"
	"errors"
	"fmt"

	"github.com/pandakit/panda/internal/cli/running"
	"github.com/pandakit/panda/internal/rollout"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/control"
)

// openWorkspace finds the service in the "panda up" that runs for the folder, which builds the new version.
func openWorkspace(ctx context.Context, u *upgrader) (*opened, error) {
	client, err := running.Connect(u.env)
	if _, none := errors.AsType[*control.NoneError](err); none {
		return nil, &notHereError{err}
	}
	if err != nil {
		return nil, err
	}
	begun, err := client.Upgrade(ctx, u.service, workspace.Version{From: u.from, Binary: u.binary})
	if told, ok := errors.AsType[*control.Error](err); ok && told.Unknown {
		return nil, &notHereError{running.Explain(ctx, "upgrade "+u.service, err)}
	}
	if err != nil {
		return nil, running.Explain(ctx, "upgrade "+u.service, err)
	}
	found := &opened{
		fleet: &workspaceFleet{begun}, where: fmt.Sprintf("panda up, process %d", client.Description().PID), close: begun.Close,
	}
	if begun.Same {
		found.same = `what runs is the same already; panda up takes up what is saved by itself unless it has --no-reload`
	}
	return found, nil
}

// workspaceFleet is the instances of a service of a workspace.
type workspaceFleet struct{ upgrade *control.Upgrade }

func instanceOf(in workspace.UpgradeInstance) rollout.Instance {
	return rollout.Instance{ID: in.ID, Label: in.Label, Address: in.Address, Weight: in.Weight}
}

// Running implements [rollout.Fleet].
func (f *workspaceFleet) Running(context.Context) ([]rollout.Instance, int, error) {
	list := make([]rollout.Instance, len(f.upgrade.Old))
	for at, in := range f.upgrade.Old {
		list[at] = instanceOf(in)
	}
	return list, len(list), nil
}

// Rehearse implements [rollout.Fleet].
func (f *workspaceFleet) Rehearse(ctx context.Context) (rollout.Instance, func(context.Context) error, error) {
	in, err := f.upgrade.Rehearse(ctx)
	if err != nil {
		return rollout.Instance{}, nil, err
	}
	return instanceOf(in), func(ctx context.Context) error {
		_, err := f.upgrade.Drain(ctx, in.ID)
		return err
	}, nil
}

// Start implements [rollout.Fleet].
func (f *workspaceFleet) Start(ctx context.Context, weight int) (rollout.Instance, error) {
	in, err := f.upgrade.Start(ctx, weight)
	return instanceOf(in), err
}

// Drain implements [rollout.Fleet].
func (f *workspaceFleet) Drain(ctx context.Context, in rollout.Instance) error {
	killed, err := f.upgrade.Drain(ctx, in.ID)
	if err == nil && killed {
		return rollout.ErrKilled
	}
	return err
}
