package rpccall

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Files returns the files that define the server's own services, and all that those import, as the server tells
// them, sorted by path. gRPC's own services are left out. It asks the server each time; what it has told before is
// not asked for again. Errors are those of [Client.Method]; a service that the server lists and cannot describe is
// one, for what it takes could not be known.
func (c *Client) Files(ctx context.Context) ([]protoreflect.FileDescriptor, error) {
	session := c.schema.open(ctx)
	defer session.close()
	services, err := session.services()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]protoreflect.FileDescriptor)
	for _, name := range ownServices(services) {
		service, err := session.service(name)
		if err != nil {
			return nil, fmt.Errorf("describe service %q: %w", name, err)
		}
		gatherFiles(service.ParentFile(), seen)
	}
	files := make([]protoreflect.FileDescriptor, 0, len(seen))
	for _, file := range seen {
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b protoreflect.FileDescriptor) int { return strings.Compare(a.Path(), b.Path()) })
	return files, nil
}

func gatherFiles(file protoreflect.FileDescriptor, seen map[string]protoreflect.FileDescriptor) {
	if _, again := seen[file.Path()]; again || file.IsPlaceholder() {
		return
	}
	seen[file.Path()] = file
	for i := range file.Imports().Len() {
		gatherFiles(file.Imports().Get(i).FileDescriptor, seen)
	}
}
