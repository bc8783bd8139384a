package generate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// protoc lets protoc generate code for one of its own languages from the descriptors, into a folder that is
// removed again, and returns what it made.
func (g *generation) protoc(ctx context.Context, tool tool, names, parameters []string) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	fail := func(err error) error { return fmt.Errorf("generate with %s: %w", tool.builtin, err) }
	temp, err := os.MkdirTemp("", "panda-gen-")
	if err != nil {
		return nil, fail(err)
	}
	defer func() { _ = os.RemoveAll(temp) }() // what is left is in the system's own folder for that
	set, err := proto.MarshalOptions{Deterministic: true}.Marshal(g.set)
	if err != nil {
		return nil, fail(err)
	}
	descriptors, out := filepath.Join(temp, "set.binpb"), filepath.Join(temp, "out")
	if err := errors.Join(os.WriteFile(descriptors, set, 0o600), os.Mkdir(out, 0o700)); err != nil {
		return nil, fail(err)
	}
	args := []string{"--descriptor_set_in=" + descriptors, "--" + tool.builtin + "_out=" + out}
	if len(parameters) > 0 {
		args = append(args, "--"+tool.builtin+"_opt="+strings.Join(parameters, ","))
	}
	_, stderr, err := g.run.start(ctx, cmp.Or(g.run.Timeout, DefaultTimeout), temp, nil, tool.path, append(args, names...)...)
	if err != nil {
		return nil, fail(fmt.Errorf("%s %w%s", tool.path, err, said(stderr)))
	}
	files, err := readTree(out)
	if err != nil {
		return nil, fail(err)
	}
	return files, nil
}

// readTree returns all files below a folder.
func readTree(folder string) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	var files []*pluginpb.CodeGeneratorResponse_File
	size := 0
	err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name) //nolint:gosec // in a folder that was made for this
		if err != nil {
			return err
		}
		if size += len(content); size > maxAnswer {
			return fmt.Errorf("more than %d MiB were generated", maxAnswer>>20)
		}
		relative, err := filepath.Rel(folder, name)
		files = append(files, &pluginpb.CodeGeneratorResponse_File{
			Name: proto.String(filepath.ToSlash(relative)), Content: proto.String(string(content)),
		})
		return err
	})
	return files, err
}
