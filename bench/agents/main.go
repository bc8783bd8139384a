// Command agents compares Panda's agent with a real Consul, and prints the result as Markdown.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/pandakit/panda/bench/internal/agents"
	"github.com/pandakit/panda/bench/internal/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "agents:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var config agents.Config
	var out string
	flag.StringVar(&config.Consul, "consul", agents.DefaultConsul(), "a real Consul; `panda consul install` puts one here")
	flag.StringVar(&config.Panda, "panda", "../bin/panda", "the command panda; `make build` puts it here")
	flag.IntVar(&config.Rounds, "rounds", 5, "samples of each figure; both agents take turns")
	flag.StringVar(&config.Only, "only", "", "only the experiments with this word in their name")
	flag.StringVar(&out, "out", "", "also write the report into this README, between its marks")
	flag.Parse()
	config.Progress = os.Stderr
	text, err := agents.Compare(ctx, config)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString(text); err != nil {
		return err
	}
	if out != "" {
		return report.Update(out, "agents", text)
	}
	return nil
}
