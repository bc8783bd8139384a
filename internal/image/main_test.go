package image_test

import (
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/image"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if kept.folder != "" {
			_ = os.RemoveAll(kept.folder) // it is in the folder of temporary files
		}
		os.Exit(code)
	}))
}

// kept is an image for both platforms that tests share: compressing it takes seconds under the race detector.
var kept struct {
	sync.Mutex

	folder string
	image  *image.Image
}

// shared returns the image that tests share, one variant for each platform.
func shared(t *testing.T) *image.Image {
	t.Helper()
	kept.Lock()
	defer kept.Unlock()
	if kept.image == nil {
		folder, err := os.MkdirTemp("", "panda-image-test-") //nolint:usetesting // it is for all tests
		if err != nil {
			t.Fatal(err)
		}
		kept.folder = folder
		kept.image = packIn(t, folder, small(t), spec(), both...)
	}
	return kept.image
}

// first returns the shared image as if it were for one platform.
func first(t *testing.T) *image.Image {
	t.Helper()
	one := *shared(t)
	one.Variants = one.Variants[:1]
	return &one
}
