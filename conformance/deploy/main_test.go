package deploy_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/dockerd"
)

func TestMain(m *testing.M) {
	code := m.Run()
	dockerd.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error() + "\n") // nobody is left to tell when this fails
		code = 1
	}
	os.Exit(code)
}
