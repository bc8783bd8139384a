// Package agents measures Panda's agent beside a real Consul: both as processes of their own, asked over HTTP on
// loopback by the same code, in turns, so that a ratio is formed between samples taken within seconds of each other.
// It measures nothing in process.
package agents

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Config says what is compared. All fields but Only are needed.
type Config struct {
	Panda, Consul string // the programs' files
	Rounds        int    // samples of each figure
	Only          string // a word in the name of the experiments to run; all of them when empty
	Progress      io.Writer
}

// DefaultConsul is where a Consul that was built for tests lies.
func DefaultConsul() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "consul"
	}
	return filepath.Join(cache, "panda", "consul-1.12.9", "consul")
}

// figure is one number that both agents have.
type figure struct {
	name  string
	unit  unit
	ours  []float64 // a sample a round; NaN where it failed
	other []float64
	// least is the target: how many times better ours must be.
	least float64
}

// experiment takes one sample of each of its figures from one agent.
type experiment struct {
	name    string
	durable bool // both keep their data in a folder
	figures []target
	sample  func(ctx context.Context, a *agent) ([]float64, error)
}

type target struct {
	name  string
	unit  unit
	least float64
}

// Compare runs the experiments and returns the report.
func Compare(ctx context.Context, config Config) (string, error) {
	for _, program := range []string{config.Panda, config.Consul} {
		if _, err := os.Stat(program); err != nil {
			return "", fmt.Errorf("find the programs to compare: %w", err)
		}
	}
	var figures []*figure
	for _, e := range experiments() {
		if !strings.Contains(e.name, config.Only) {
			continue
		}
		of, err := e.run(ctx, config)
		if err != nil {
			return "", fmt.Errorf("%s: %w", e.name, err)
		}
		figures = append(figures, of...)
	}
	return report(config.Rounds, figures), nil
}

func (e *experiment) run(ctx context.Context, config Config) ([]*figure, error) {
	figures := make([]*figure, len(e.figures))
	for i, t := range e.figures {
		figures[i] = &figure{name: t.name, unit: t.unit, least: t.least}
	}
	for round := range config.Rounds {
		_, _ = fmt.Fprintf(config.Progress, "%s, round %d of %d\n", e.name, round+1, config.Rounds)
		kinds := []kind{panda, consul}
		if round%2 == 1 {
			kinds = []kind{consul, panda}
		}
		for _, k := range kinds {
			samples, err := e.once(ctx, config, k)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			for i, f := range figures {
				if k == panda {
					f.ours = append(f.ours, samples[i])
				} else {
					f.other = append(f.other, samples[i])
				}
			}
		}
	}
	return figures, nil
}

// once measures an agent that has just started, and ends it.
func (e *experiment) once(ctx context.Context, config Config, k kind) ([]float64, error) {
	a, err := start(ctx, config, k, e.durable)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	return e.sample(ctx, a)
}
