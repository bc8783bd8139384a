package protobuild

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// standardFiles are files that many others import. They are unchanged, with their licences: Google's are those of
// the npm package google-proto-files 6.0.1, validate.proto is that of github.com/bufbuild/protovalidate v1.2.2.
//
//go:embed standard
var standardFiles embed.FS

const standardFolder = "standard"

// wellKnown are the names below google/protobuf, whose descriptors are part of this program.
var wellKnown = []string{
	"any", "api", "compiler/plugin", "cpp_features", "descriptor", "duration", "empty", "field_mask", "go_features",
	"java_features", "source_context", "struct", "timestamp", "type", "wrappers",
}

// wellKnownFile returns the descriptor of a file of google/protobuf, or nil.
func wellKnownFile(name string) protoreflect.FileDescriptor {
	base, ok := strings.CutPrefix(name, "google/protobuf/")
	if !ok || !slices.Contains(wellKnown, strings.TrimSuffix(base, ".proto")) {
		return nil
	}
	none := protocompile.ResolverFunc(func(string) (protocompile.SearchResult, error) {
		return protocompile.SearchResult{}, fs.ErrNotExist
	})
	found, err := protocompile.WithStandardImports(none).FindFileByPath(name)
	if err != nil {
		return nil
	}
	return found.Desc
}

// isStandard reports whether a file of this name comes with the package.
func isStandard(name string) bool {
	if wellKnownFile(name) != nil {
		return true
	}
	if !fs.ValidPath(name) {
		return false
	}
	info, err := fs.Stat(standardFiles, path.Join(standardFolder, name))
	return err == nil && info.Mode().IsRegular()
}

// standardNames lists all files that come with the package, sorted.
var standardNames = sync.OnceValue(func() []string {
	var names []string
	for _, base := range wellKnown {
		names = append(names, "google/protobuf/"+base+".proto")
	}
	err := fs.WalkDir(standardFiles, standardFolder, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, strings.TrimPrefix(name, standardFolder+"/"))
		}
		return err
	})
	if err != nil {
		return nil // what is part of the program can be read
	}
	slices.Sort(names)
	return names
})

// toProto converts a descriptor that is part of this program.
func toProto(fd protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	return protoutil.ProtoFromFileDescriptor(fd)
}
