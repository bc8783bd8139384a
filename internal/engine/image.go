package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/client"
)

// Image is an image that the engine has.
type Image struct {
	ID        string // "sha256:…"
	Reference string // as it was asked for
	Service   string // of [ServiceLabel]; "" when it has none
	Version   string // of [VersionLabel]; "" when it has none
	Env       map[string]string
}

// Image returns the image of that reference or ID, or a *[MissingError]. Nothing is pulled.
func (e *Engine) Image(ctx context.Context, reference string) (Image, error) {
	config, id, err := e.imageConfig(ctx, reference)
	if err != nil {
		return Image{}, err
	}
	return Image{
		ID: id, Reference: reference, Service: config.Labels[ServiceLabel], Version: config.Labels[VersionLabel],
		Env: variables(config.Env),
	}, nil
}

func (e *Engine) imageConfig(ctx context.Context, reference string) (*dockerspec.DockerOCIImageConfig, string, error) {
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	found, err := e.api.ImageInspect(bounded, reference)
	if errdefs.IsInvalidArgument(err) {
		return nil, "", fmt.Errorf("image %q: that is no reference of an image; want NAME:TAG or an ID", reference)
	}
	if err != nil {
		return nil, "", e.missing(ctx, fmt.Sprintf("look up image %q", reference), "image", reference, err)
	}
	config := found.Config
	if config == nil {
		config = &dockerspec.DockerOCIImageConfig{}
	}
	return config, found.ID, nil
}

// Bounds of what the engine may answer to an image.
const (
	answerLimit = 16 << 20
	lineLimit   = 1 << 20
)

// Load has the engine take in the images of a tarball, as "docker load" does, and returns their references, or the IDs
// of those that have none. It reads the tarball to its end; ctx bounds it.
func (e *Engine) Load(ctx context.Context, tarball io.Reader) ([]string, error) {
	result, err := e.api.ImageLoad(ctx, tarball, client.ImageLoadWithQuiet(true))
	if err != nil {
		return nil, e.explain(ctx, "load an image into "+e.about.Host, err)
	}
	defer result.Close()
	var loaded []string
	lines := bufio.NewScanner(io.LimitReader(result, answerLimit))
	lines.Buffer(nil, lineLimit)
	for lines.Scan() {
		var line struct{ Stream, Error string }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // Docker's own command shows such a line, and goes on
		}
		if line.Error != "" {
			return nil, fmt.Errorf("load an image into %s: %s", e.about.Host, strings.TrimSpace(line.Error))
		}
		loaded = append(loaded, references(line.Stream)...)
	}
	if err := lines.Err(); err != nil {
		return nil, e.explain(ctx, "load an image into "+e.about.Host, err)
	}
	if len(loaded) == 0 {
		return nil, errors.New("load an image into " + e.about.Host + ": the engine took in none")
	}
	return loaded, nil
}

// references reads "Loaded image: hello:1", "Loaded image ID: sha256:…" and Podman's "Loaded image: a:1,b:1".
func references(text string) []string {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "Loaded image")
	if !ok {
		return nil
	}
	_, names, ok := strings.Cut(rest, ": ")
	if !ok {
		return nil
	}
	var list []string
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list
}
