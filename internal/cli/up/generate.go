package up

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/cli/gen"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/generate"
)

// generate brings the code of the .proto files beside these, which were saved or removed, up to date. A module that pins
// no plugins makes its code by other means: it is left alone, which is told once. Problems are one error of several lines.
func (s *screen) generate(ctx context.Context, files []string) error {
	projects, err := gen.Projects(s.env, folders(files)...)
	if _, none := errors.AsType[*protobuild.NoFilesError](err); none {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = gen.Run(ctx, s.env, projects, gen.Options{})
	if _, unpinned := errors.AsType[*generate.UnpinnedError](err); unpinned {
		if !s.unpinned {
			s.unpinned = true
			s.say(".proto files are watched, but no code is generated from them: go.mod pins no plugins; panda gen --pin adds them")
		}
		return nil
	}
	if wrong, ok := errors.AsType[*gen.ProblemsError](err); ok {
		var text bytes.Buffer
		env := *s.env
		env.Stderr = &text
		wrong.Write(&env)
		return errors.New(strings.TrimSpace(text.String()))
	}
	return err
}

// folders returns the folders of the files that are still there, each once.
func folders(files []string) []string {
	var folders []string
	for _, file := range files {
		folder := filepath.Dir(file)
		if info, err := os.Stat(folder); err == nil && info.IsDir() && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return folders
}
