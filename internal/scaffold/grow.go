package scaffold

import (
	"bytes"
	"context"
	"encoding/json"
	"go/version"
	"os"
	"path/filepath"
	"reflect"
	"slices"
)

// modFile is what `go mod edit -json` tells of go.mod.
type modFile struct {
	Go      string
	Require []struct{ Path string }
	Tool    []struct{ Path string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

// relativeReplaces returns the flags for `go mod edit` that make relative folders absolute, and those that take it back.
func (m *modFile) relativeReplaces(dir string) (there, back []string) {
	for _, r := range m.Replace {
		if r.New.Version != "" || filepath.IsAbs(r.New.Path) {
			continue
		}
		old := r.Old.Path
		if r.Old.Version != "" {
			old += "@" + r.Old.Version
		}
		there = append(there, "-replace="+old+"="+filepath.Join(dir, filepath.FromSlash(r.New.Path)))
		back = append(back, "-replace="+old+"="+r.New.Path)
	}
	return there, back
}

func (t *trial) readMod(ctx context.Context) (*modFile, error) {
	text, err := t.run(ctx, "mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	m := new(modFile)
	return m, json.Unmarshal(text, m)
}

// extendMod adds to another's go.mod what is missing.
func (t *trial) extendMod(ctx context.Context) error {
	m, err := t.readMod(ctx)
	if err != nil {
		return err
	}
	requires := func(path string) bool {
		return slices.ContainsFunc(m.Require, func(r struct{ Path string }) bool { return r.Path == path })
	}
	edits, back := m.relativeReplaces(t.ModuleDir)
	t.back = back
	if m.Go == "" || version.Compare("go"+m.Go, "go"+leastGo) < 0 {
		edits = append(edits, "-go="+leastGo)
	}
	if !requires(pandaPath) {
		edits = append(edits, "-require="+pandaPath+"@"+t.Panda.Version)
		replaced := slices.ContainsFunc(m.Replace, func(r struct {
			Old, New struct{ Path, Version string }
		}) bool {
			return r.Old.Path == pandaPath
		})
		if t.Panda.Dir != "" && !replaced {
			edits = append(edits, "-replace="+pandaPath+"="+t.Panda.Dir)
		}
	}
	for _, need := range []struct {
		needed               bool
		tool, module, semver string
	}{
		{t.hasProto(), grpcPlugin, grpcPluginModule, grpcPluginSemver},
		{t.hasProto(), goPlugin, goPluginModule, ""},
		{t.Type == API, "", httpModule, httpSemver},
	} {
		if !need.needed {
			continue
		}
		if need.tool != "" && !slices.ContainsFunc(m.Tool, func(other struct{ Path string }) bool { return other.Path == need.tool }) {
			edits = append(edits, "-tool="+need.tool)
		}
		if need.semver != "" && !requires(need.module) {
			edits = append(edits, "-require="+need.module+"@"+need.semver)
		}
	}
	if len(edits) == 0 {
		return nil
	}
	_, err = t.run(ctx, append([]string{"mod", "edit"}, edits...)...)
	return err
}

// grown returns the go.mod and go.sum of another's module, where they have to change. Of the checksums that the trial
// began with, only those are added which are needed.
func (t *trial) grown(ctx context.Context) ([]File, error) {
	sum, err := t.neededSums(ctx)
	if err != nil {
		return nil, err
	}
	if len(t.back) > 0 {
		if _, err := t.run(ctx, append([]string{"mod", "edit"}, t.back...)...); err != nil {
			return nil, err
		}
	}
	mod, err := os.ReadFile(filepath.Join(t.dir, "go.mod"))
	if err != nil {
		return nil, err
	}
	var changed []File
	same, err := t.saysTheSame(ctx, mod)
	if err != nil {
		return nil, err
	}
	if !same {
		changed = append(changed, File{filepath.Join(t.ModuleDir, "go.mod"), mod})
	}
	if !bytes.Equal(sum, t.oldSum) {
		changed = append(changed, File{filepath.Join(t.ModuleDir, "go.sum"), sum})
	}
	return changed, nil
}

// saysTheSame reports whether a go.mod differs from what there was in nothing but its form.
func (t *trial) saysTheSame(ctx context.Context, mod []byte) (bool, error) {
	if bytes.Equal(mod, t.oldMod) {
		return true, nil
	}
	var both [2]any
	for i, text := range [][]byte{t.oldMod, mod} {
		name := filepath.Join(t.dir, "compared.mod")
		if err := os.WriteFile(name, text, 0o600); err != nil { //nolint:gosec // our own temporary folder
			return false, err
		}
		told, err := t.run(ctx, "mod", "edit", "-json", name)
		if err != nil {
			return false, err
		}
		if err := json.Unmarshal(told, &both[i]); err != nil {
			return false, err
		}
	}
	return reflect.DeepEqual(both[0], both[1]), nil
}

// neededSums returns the lines that there were, and of the trial's those which the project needs: the go command adds
// lines and takes none away, but for `go mod tidy`, which takes away what the rest of the module needs as well. So that
// is asked what the project needs by itself.
func (t *trial) neededSums(ctx context.Context) ([]byte, error) {
	modName, sumName := filepath.Join(t.dir, "go.mod"), filepath.Join(t.dir, "go.sum")
	mod, err := os.ReadFile(modName) //nolint:gosec // our own temporary folder
	if err != nil {
		return nil, err
	}
	all, err := os.ReadFile(sumName) //nolint:gosec // our own temporary folder
	if err != nil {
		return nil, err
	}
	least := all
	if _, err := t.run(ctx, "mod", "tidy"); err == nil {
		if least, err = os.ReadFile(sumName); err != nil { //nolint:gosec // our own temporary folder
			return nil, err
		}
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, sums := range [][]byte{merge(t.oldSum, least), merge(t.oldSum, all)} {
		if err := os.WriteFile(modName, mod, 0o600); err != nil { //nolint:gosec // our own temporary folder
			return nil, err
		}
		if err := os.WriteFile(sumName, sums, 0o600); err != nil {
			return nil, err
		}
		if _, err = t.run(ctx, "list", "-mod=readonly", "-deps", "-test", "./"+t.below+"/..."); err == nil {
			return sums, nil
		}
	}
	return nil, err
}

// isTidy reports whether `go mod tidy` has nothing to do in the module that the project joins.
func (p *Plan) isTidy(ctx context.Context, tools Tools) bool {
	if p.NewModule {
		return false
	}
	_, err := runGo(ctx, tools, p.ModuleDir, "mod", "tidy", "-diff")
	return err == nil
}

// tidy keeps a module tidy that was: the trial knows only a part of it, and leaves out what is of no use to that. When
// it fails, go.mod and go.sum are as the trial left them, with which the project builds.
func (p *Plan) tidy(ctx context.Context, tools Tools) {
	_, _ = runGo(ctx, tools, p.ModuleDir, "mod", "tidy") // see above
}
