package rpccall_test

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pandakit/panda/internal/rpccall"
	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

func filesOf(t *testing.T, address string) ([]string, error) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	files, err := rpccall.NewClient(conn, 0).Files(t.Context())
	var paths []string
	for _, file := range files {
		paths = append(paths, file.Path())
	}
	return paths, err
}

// TestFiles wants the server's own files and what they import, and none of gRPC's.
func TestFiles(t *testing.T) {
	paths, err := filesOf(t, rpccalltest.Start(t))
	if err != nil || !slices.IsSorted(paths) {
		t.Fatalf("got %q, %v", paths, err)
	}
	for path, want := range map[string]bool{
		"internal/rpccall/internal/testpb/testpb.proto": true,
		"google/protobuf/timestamp.proto":               true,
		"grpc/health/v1/health.proto":                   false,
	} {
		if slices.Contains(paths, path) != want {
			t.Errorf("got %q; %s among them: want %v", paths, path, want)
		}
	}
}

func TestFilesWithoutReflection(t *testing.T) {
	address, stop, err := rpccalltest.Serve(false)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if paths, err := filesOf(t, address); !errors.Is(err, rpccall.ErrNoReflection) {
		t.Errorf("got %q, %v", paths, err)
	}
}
