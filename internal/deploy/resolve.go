package deploy

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// resolveTimeout bounds what one registry may take to answer.
const resolveTimeout = 30 * time.Second

// Resolve adds to the images of the plan that have a tag alone the digest that this tag has in its registry now, so
// that what is deployed is what was looked at. Registries on loopback are asked by plain HTTP, others by HTTPS, with
// the credentials of keys. transport is nil for the usual one. It changes nothing when it returns an error.
func (p *Plan) Resolve(ctx context.Context, keys authn.Keychain, transport http.RoundTripper) error {
	known := make(map[string]string)
	options := []remote.Option{remote.WithAuthFromKeychain(keys)}
	if transport != nil {
		options = append(options, remote.WithTransport(transport))
	}
	resolve := func(what, image string) error {
		if known[image] != "" {
			return nil
		}
		if err := checkImage(what, image); err != nil {
			return err
		}
		var err error
		known[image], err = resolved(ctx, image, options)
		return err
	}
	for _, s := range p.Services {
		if s.Image == "" {
			continue // told when it is rendered
		}
		if err := resolve(fmt.Sprintf("service %q: image", s.Name), s.Image); err != nil {
			return err
		}
	}
	if p.Consul.Address == "" {
		if p.Consul.Image == "" {
			p.Consul.Image = ConsulImage
		}
		if err := resolve("deploy.consul.image", p.Consul.Image); err != nil {
			return err
		}
		p.Consul.Image = known[p.Consul.Image]
	}
	p.Services = slices.Clone(p.Services)
	for i := range p.Services {
		p.Services[i].Image = known[p.Services[i].Image]
	}
	return nil
}

// resolved returns the reference with its digest.
func resolved(ctx context.Context, image string, options []remote.Option) (string, error) {
	reference, err := name.ParseReference(image)
	if err != nil {
		return "", err
	}
	if _, pinned := reference.(name.Digest); pinned {
		return image, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	descriptor, err := remote.Head(reference, append(slices.Clone(options), remote.WithContext(ctx))...)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", image, err)
	}
	return image + "@" + descriptor.Digest.String(), nil
}
