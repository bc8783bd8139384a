package breaking

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/protosource"
	"github.com/pandakit/panda/internal/rpccall"
)

const (
	// askTime is how long one instance may take to tell what it serves.
	askTime = 10 * time.Second
	// askedAtOnce bounds the instances that are asked at the same time.
	askedAtOnce = 8
)

// registryItself is the service under which the registry is found in itself.
const registryItself = "consul"

// instance is a running instance and what it serves.
type instance struct {
	service string
	address string
	files   []protoreflect.FileDescriptor
	err     error
}

// served returns what running instances serve: of one service, or of all when service is "".
func (c *comparer) served(ctx context.Context, projects []*protosource.Project, service string) ([]version, error) {
	instances, err := c.instances(ctx, service)
	if err != nil {
		return nil, err
	}
	ask(ctx, instances)
	if ctx.Err() != nil {
		return nil, errors.New("breaking: interrupted")
	}
	var answered []*instance
	for _, in := range instances {
		switch {
		case in.err == nil:
			answered = append(answered, in)
		case service != "":
			return nil, c.unanswered(in)
		case in.service != registryItself: // not every service speaks gRPC
			fmt.Fprintf(c.env.Stderr, "note: not compared: %s at %s does not tell what it serves: %s\n", in.service, in.address, command.OneLine(in.err.Error()))
		}
	}
	return c.grouped(projects, answered, service)
}

// unanswered explains that an instance does not tell what it serves: nobody knows then whether it would break.
func (c *comparer) unanswered(in *instance) error {
	err := fmt.Errorf("breaking: ask %s at %s what it serves: %w", in.service, in.address, in.err)
	if errors.Is(in.err, rpccall.ErrNoReflection) {
		return command.Advise(err, "register it in the server: reflection.Register(server), from google.golang.org/grpc/reflection")
	}
	return command.Advise(err, fmt.Sprintf("see %q for why", "panda why "+in.service))
}

// instances lists the instances that calls go to.
func (c *comparer) instances(ctx context.Context, service string) ([]*instance, error) {
	registry, err := command.Registry(c.env)
	if err != nil {
		return nil, err
	}
	names := []string{service}
	if service == "" {
		if names, err = command.Services(ctx, registry); err != nil {
			return nil, err
		}
	}
	var list []*instance
	for _, name := range names {
		snapshot, err := command.Lookup(ctx, registry, name)
		if _, gone := errors.AsType[*discovery.NotFoundError](err); gone && service == "" {
			continue // it left since the names were listed
		}
		if err != nil {
			return nil, err
		}
		if service != "" {
			if err := discovery.Explain(snapshot, nil); err != nil {
				return nil, err
			}
		}
		for i := range snapshot.Instances {
			if in := &snapshot.Instances[i]; command.Unusable(in) == "" {
				list = append(list, &instance{service: name, address: net.JoinHostPort(in.Address, strconv.Itoa(in.Port))})
			}
		}
	}
	slices.SortFunc(list, func(a, b *instance) int {
		return strings.Compare(a.service+" "+a.address, b.service+" "+b.address)
	})
	return list, nil
}

// ask asks all instances what they serve.
func ask(ctx context.Context, instances []*instance) {
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for _, in := range instances {
		group.Go(func() error {
			in.files, in.err = askOne(ctx, in.address)
			return nil
		})
	}
	_ = group.Wait() // errors are the instances' own
}

func askOne(ctx context.Context, address string) ([]protoreflect.FileDescriptor, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return rpccall.NewClient(conn, 0).Files(ctx)
}

// grouped makes one version of the instances that serve the same, compared with each project that it concerns.
func (c *comparer) grouped(projects []*protosource.Project, instances []*instance, service string) ([]version, error) {
	var versions []version
	concerned := make(map[string]bool) // services of the registry
	for _, p := range projects {
		groups := make(map[[sha256.Size]byte]int) // indices in versions
		for _, in := range instances {
			before := c.concerning(p, projects, in, service)
			if len(before) == 0 {
				continue
			}
			concerned[in.service] = true
			sum, err := digest(in.service, before)
			if err != nil {
				return nil, err
			}
			if i, ok := groups[sum]; ok {
				versions[i].servedBy += ", " + in.address
				continue
			}
			groups[sum] = len(versions)
			versions = append(versions, version{project: p, before: before, now: p.Files, servedBy: in.service + " at " + in.address})
		}
	}
	return versions, c.tellOthers(instances, concerned)
}

// tellOthers names the services whose packages are not among the current files.
func (c *comparer) tellOthers(instances []*instance, concerned map[string]bool) error {
	var others []string
	for _, in := range instances {
		if !concerned[in.service] && len(in.files) > 0 && !slices.Contains(others, in.service) {
			others = append(others, in.service)
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(c.env.Stderr, "note: not compared, for no package that they serve is among these files: %s\n", strings.Join(others, ", "))
	}
	if len(concerned) == 0 {
		return command.Advise(errors.New("breaking: no running instance serves a package of these files by gRPC reflection"), `see "panda services" for what runs`)
	}
	return nil
}

// concerning returns what an instance serves that the project is about: files of its packages. With one project
// and one service that were named, that is all of it.
func (c *comparer) concerning(p *protosource.Project, projects []*protosource.Project, in *instance, service string) []protoreflect.FileDescriptor {
	packages := make(map[protoreflect.FullName]bool)
	for _, file := range p.Files {
		packages[file.Package()] = true
	}
	var list []protoreflect.FileDescriptor
	for _, file := range withoutStandard(in.files, p.Files) {
		if packages[file.Package()] || service != "" && len(projects) == 1 {
			list = append(list, file)
		}
	}
	return list
}

// digest is the same for instances of a service that serve the same files.
func digest(service string, files []protoreflect.FileDescriptor) ([sha256.Size]byte, error) {
	var b bytes.Buffer
	b.WriteString(service)
	for _, file := range files {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(protodesc.ToFileDescriptorProto(file))
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		b.Write(raw)
	}
	return sha256.Sum256(b.Bytes()), nil
}
