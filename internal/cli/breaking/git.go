package breaking

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/workspace/config"
)

// gitTime is how long an interrupted git may take to end.
const gitTime = 5 * time.Second

// repository reads one reference of a Git repository, and never changes anything of it.
type repository struct {
	env       *command.Env
	reference string
	folder    string // its working tree, absolute
	commit    string
}

// open finds the repository that dir is in, and the commit that the reference means.
func (g *repository) open(ctx context.Context, dir string) error {
	g.folder = dir
	root, err := g.git(ctx, nil, "rev-parse", "--show-toplevel")
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return command.Advise(fmt.Errorf("breaking: --against %s: there is no git on PATH to read it with", g.reference), "give a folder or a descriptor set instead")
		}
		return command.Advise(command.Usagef("breaking: --against %s: there is no such file or folder, and %s is in no Git repository", g.reference, dir),
			"give a folder, a descriptor set or registry")
	}
	g.folder = filepath.FromSlash(strings.TrimRight(string(root), "\r\n"))
	if strings.HasPrefix(g.reference, "-") {
		return command.Usagef("breaking: --against %q is no Git reference", g.reference)
	}
	commit, err := g.git(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", g.reference+"^{commit}")
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("breaking: interrupted")
		}
		return command.Advise(command.Usagef("breaking: --against %s: there is no such file or folder, and no such reference in %s", g.reference, g.folder),
			"a branch that was never fetched is no reference yet: git fetch origin "+g.reference)
	}
	g.commit = strings.TrimSpace(string(commit))
	return nil
}

// git runs a git command in the repository's folder and returns its output.
func (g *repository) git(ctx context.Context, input io.Reader, arguments ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", arguments...) //nolint:gosec // git, with a reference that was checked
	cmd.Dir, cmd.Stdin, cmd.Env, cmd.WaitDelay = g.folder, input, append(g.env.Environ(), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0"), gitTime
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	output, err := cmd.Output()
	if err != nil && complaint.Len() > 0 && !errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("git %s: %s", arguments[0], command.OneLine(complaint.String()))
	}
	return output, err
}

// blob is one file of the commit.
type blob struct{ hash, name string }

// copy writes the files of the commit that finding and compiling look at below folder.
func (g *repository) copy(ctx context.Context, folder string) error {
	blobs, err := g.list(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("breaking: make a folder for the files of %s: %w", g.reference, err)
	}
	if len(blobs) == 0 {
		return nil
	}
	var request bytes.Buffer
	for _, b := range blobs {
		request.WriteString(b.hash + "\n")
	}
	contents, err := g.git(ctx, &request, "cat-file", "--batch")
	if err != nil {
		return fmt.Errorf("breaking: read %s: %w", g.reference, err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("breaking: write the files of %s: %w", g.reference, err)
	}
	defer func() { _ = root.Close() }() // each file was closed before
	reader := bufio.NewReader(bytes.NewReader(contents))
	for _, b := range blobs {
		content, err := nextBlob(reader)
		if err != nil {
			return fmt.Errorf("breaking: read %s of %s: %w", b.name, g.reference, err)
		}
		if err := writeWithin(root, b.name, content); err != nil {
			return fmt.Errorf("breaking: write the files of %s: %w", g.reference, err)
		}
	}
	return nil
}

// list returns the .proto files of the commit, and the files that say where modules and roots are. Links are not
// followed, and files too large to be compiled are left out.
func (g *repository) list(ctx context.Context) ([]blob, error) {
	output, err := g.git(ctx, nil, "ls-tree", "-r", "-l", "-z", "--full-tree", g.commit)
	if err != nil {
		return nil, fmt.Errorf("breaking: list the files of %s: %w", g.reference, err)
	}
	var blobs []blob
	for entry := range strings.SplitSeq(string(output), "\x00") {
		about, name, found := strings.Cut(entry, "\t")
		fields := strings.Fields(about) // mode, kind, hash, size
		if !found || len(fields) != 4 || fields[1] != "blob" || fields[0] == "120000" {
			continue
		}
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil || size > protobuild.MaxFileSize || !wantedOfCommit(name) {
			continue
		}
		if blobs = append(blobs, blob{fields[2], name}); len(blobs) > protobuild.MaxFiles {
			return nil, fmt.Errorf("breaking: %s has more than %d .proto files", g.reference, protobuild.MaxFiles)
		}
	}
	return blobs, nil
}

func wantedOfCommit(name string) bool {
	base := path.Base(name)
	return path.Ext(base) == ".proto" || base == "go.mod" || base == config.Name
}

// nextBlob reads one answer of git cat-file --batch: "hash blob size", the content, and a line break.
func nextBlob(r *bufio.Reader) ([]byte, error) {
	header, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(header)
	if len(fields) != 3 {
		return nil, fmt.Errorf("git says %q", strings.TrimSpace(header))
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil || size < 0 || size > protobuild.MaxFileSize {
		return nil, fmt.Errorf("git says %q", strings.TrimSpace(header))
	}
	content := make([]byte, size+1)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, err
	}
	return content[:size], nil
}

func writeWithin(root *os.Root, name string, content []byte) error {
	at := filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	return root.WriteFile(at, content, 0o600)
}
