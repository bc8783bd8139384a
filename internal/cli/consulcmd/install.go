package consulcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/consulbuild"
)

const installLong = `Build Consul ` + consulbuild.Version + ` with the Go command of this machine, in a module of its own, and keep it in the user's
cache. It takes some minutes, and about 2 GB for Go's caches; nothing else on the machine is changed.

This one is for learning and tests: it is the last version under the Mozilla Public License 2.0, and past its
end of life. For production install a current Consul; any from 1.12 to today's works with panda.`

func installCommand(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "install",
		Short:   "Build a real Consul for learning and tests",
		Long:    installLong,
		Example: "  panda consul install",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return install(cmd.Context(), env) },
	}
}

func install(ctx context.Context, env *command.Env) error {
	if path := consulbuild.Find(); path != "" {
		return sayInstalled(env.Stdout, "Consul "+consulbuild.Version+" is installed already: "+path)
	}
	tools := OnPath(env, "go")
	if len(tools) == 0 {
		return advised(&consulbuild.Error{Reason: consulbuild.NoGo, Act: "find the go command", Err: errors.New("it is not on PATH")})
	}
	began := time.Now()
	shown := newProgress(env)
	path, err := consulbuild.Install(ctx, consulbuild.Config{Go: tools[0], Environ: env.Environ(), Observe: shown.observe})
	shown.end()
	if err != nil {
		return advised(err)
	}
	return sayInstalled(env.Stdout, fmt.Sprintf("Consul %s is installed after %s: %s", consulbuild.Version, time.Since(began).Round(time.Second), path))
}

func sayInstalled(w io.Writer, first string) error {
	_, err := fmt.Fprintf(w, "%s\n"+
		"It is for learning and tests: Mozilla Public License 2.0, past its end of life.\n"+
		"For production install a current Consul; any from 1.12 to today's works with panda.\n", first)
	return err
}

// advised adds what the user can do.
func advised(err error) error {
	failed, ok := errors.AsType[*consulbuild.Error](err)
	if !ok {
		return err
	}
	switch failed.Reason {
	case consulbuild.NoGo:
		return command.Advise(err, "install Go, which builds it, or install Consul itself and put it on PATH")
	case consulbuild.Offline:
		return command.Advise(err, "it needs the Go module proxy once: go online, or set GOPROXY to one that you reach, and try again")
	case consulbuild.DiskFull:
		return command.Advise(err, `make about 2 GB free (the build needs it for Go's caches; "go clean -cache" frees them) and try again`)
	case consulbuild.Unknown:
	}
	return command.Advise(err, "nothing was left behind; install Consul itself and put it on PATH if this stays")
}
