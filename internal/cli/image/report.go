package image

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	oci "github.com/pandakit/panda/internal/image"
)

// made is an image that was made, as --json prints it.
type made struct {
	Service   string     `json:"service"`
	Name      string     `json:"name"`
	Version   string     `json:"version"`
	Digest    string     `json:"digest"` // of the index, or of the one image where there is room for no index
	Size      int64      `json:"size"`   // bytes, as they are sent and stored: compressed
	Platforms []platform `json:"platforms"`
	To        string     `json:"to"`
}

type platform struct {
	Platform string `json:"platform"`
	Digest   string `json:"digest"`
	Size     int64  `json:"size"`    // bytes, compressed
	Content  int64  `json:"content"` // bytes of all layers, not compressed
	Program  int64  `json:"program"` // bytes of the program
}

// report tells what was made.
func (m *maker) report(to destination, images []oci.Named) error {
	all := make([]made, 0, len(images))
	for _, image := range images {
		entry, err := describe(to, image)
		if err != nil {
			return err
		}
		all = append(all, entry)
	}
	if m.json {
		return m.env.PrintJSON(all)
	}
	for at, entry := range all {
		var parts []string
		for _, p := range entry.Platforms {
			parts = append(parts, fmt.Sprintf("%s %.1f MB", p.Platform, float64(p.Size)/1e6))
		}
		line, _ := to.told(images[at])
		if _, err := fmt.Fprintf(m.env.Stdout, "%s %s@%s (%s)\n", line, entry.Name, entry.Digest, strings.Join(parts, ", ")); err != nil {
			return err
		}
	}
	return nil
}

func describe(to destination, image oci.Named) (made, error) {
	_, place := to.told(image)
	entry := made{Service: image.Name, Name: image.Reference, Version: image.Version, To: place}
	for _, v := range image.Variants {
		digest, err := v.Image.Digest()
		if err != nil {
			return made{}, err
		}
		size, err := sizeOf(v.Image)
		if err != nil {
			return made{}, err
		}
		entry.Size += size
		entry.Digest = digest.String()
		entry.Platforms = append(entry.Platforms, platform{v.Platform.String(), digest.String(), size, v.Content, v.Program})
	}
	if to.one() == "" {
		digest, err := image.Index.Digest()
		if err != nil {
			return made{}, err
		}
		entry.Digest = digest.String()
	}
	return entry, nil
}

// sizeOf adds up all that is stored for an image.
func sizeOf(img v1.Image) (int64, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	size, err := img.Size()
	if err != nil {
		return 0, err
	}
	size += manifest.Config.Size
	for _, l := range manifest.Layers {
		size += l.Size
	}
	return size, nil
}
