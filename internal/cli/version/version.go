// Package version is "panda version": which panda this is, and what it was built from. It reads what the
// Go toolchain wrote into the program and asks nobody else.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
)

// Info is what a build knows of itself. Unknown parts are empty.
type Info struct {
	Version  string `json:"version"` // of the module, "(devel)" when built in a checkout without a tag
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit, RFC 3339
	Modified bool   `json:"modified"`       // the checkout had changes that are in no commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Read returns the Info of this program.
func Read() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	return from(build)
}

func from(build *debug.BuildInfo) Info {
	info := Info{
		Version:  build.Main.Version,
		Go:       build.GoVersion,
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info.Version == "" {
		info.Version = "(devel)"
	}
	if info.Go == "" {
		info.Go = runtime.Version()
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Commit = s.Value
		case "vcs.time":
			info.Time = s.Value
		case "vcs.modified":
			info.Modified = s.Value == "true"
		}
	}
	return info
}

// String is one line for people.
func (i Info) String() string {
	text := "panda " + i.Version
	if i.Commit != "" {
		text += " commit " + i.Commit[:min(12, len(i.Commit))]
		if i.Modified {
			text += " with changes"
		}
	}
	return fmt.Sprintf("%s %s %s", text, i.Go, i.Platform)
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of panda",
		Long:    "Print the version of panda, the commit it was built from, and the version of Go.",
		Example: "  panda version\n  panda version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return env.PrintJSON(Read())
			}
			_, err := fmt.Fprintln(env.Stdout, Read())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
