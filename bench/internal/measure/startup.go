package measure

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// settle is how long a server that has answered its first calls is left alone before its memory is read.
const settle = 250 * time.Millisecond

// StartUp is what a stack costs before it does anything.
type StartUp struct {
	Stack       Stack
	ServerBytes int64     // of its stripped server
	ClientBytes int64     // of its stripped client
	ServerFirst []float64 // seconds from the start of the server until it has answered a call
	ClientFirst []float64 // seconds from the start of a client until its call has been answered
	Resident    []float64 // bytes of memory of the idle server
	Private     []float64 // those of them that are not pages of files
}

// StartUps starts each stack several times, in turn and in reversing order.
func (l *Lab) StartUps(ctx context.Context, stacks []Stack) ([]StartUp, error) {
	defer l.Fleet.Close()
	results := make([]StartUp, len(stacks))
	for i, stack := range stacks {
		results[i] = StartUp{
			Stack:       stack,
			ServerBytes: l.binaries[stack.Server].Size,
			ClientBytes: l.binaries[stack.Client].Size,
		}
	}
	order := make([]int, len(stacks))
	for i := range order {
		order[i] = i
	}
	for turn := range l.Config.StartUps {
		l.tellf("start-up %d of %d", turn+1, l.Config.StartUps)
		for _, i := range order {
			if err := l.startUp(ctx, &results[i], fmt.Sprintf("hello-%d", turn)); err != nil {
				return nil, err
			}
		}
		slices.Reverse(order)
	}
	return results, nil
}

// startUp starts a server and a client twice: the first makes sure that the server can be found.
func (l *Lab) startUp(ctx context.Context, result *StartUp, name string) error {
	if result.Stack.ByName {
		if err := l.startAgent(ctx); err != nil {
			return err
		}
	}
	server, err := l.serve(ctx, result.Stack, name, 0)
	if err != nil {
		return err
	}
	defer server.Kill()
	var launch time.Duration
	for range 2 {
		client, err := l.dial(ctx, result.Stack, target(result.Stack, name, server))
		if err != nil {
			return err
		}
		client.Kill()
		launch = client.launch
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	used, err := server.used(ctx)
	if err != nil {
		return err
	}
	result.ServerFirst = append(result.ServerFirst, server.launch.Seconds())
	result.ClientFirst = append(result.ClientFirst, launch.Seconds())
	result.Resident = append(result.Resident, float64(used.Resident))
	result.Private = append(result.Private, float64(used.Private))
	return nil
}
