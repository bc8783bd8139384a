package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// release is a version of Consul.
type release struct {
	text         string
	major, minor int
}

func (r release) atLeast(major, minor int) bool {
	return r.major > major || r.major == major && r.minor >= minor
}

// The first that has the settings of TLS as they are written here.
const (
	leastMajor = 1
	leastMinor = 12
)

var releaseLine = regexp.MustCompile(`^Consul v((\d{1,4})\.(\d{1,4})\S*)`)

// versionOf asks a program which Consul it is.
func versionOf(ctx context.Context, binary string, environ []string) (release, error) {
	cmd := exec.CommandContext(ctx, binary, "version")
	cmd.Env = environ
	out, err := cmd.Output()
	if err != nil {
		return release{}, fmt.Errorf("ask %s for its version: %w", binary, err)
	}
	if strings.Contains(string(out), "This is panda's own agent") {
		return release{}, fmt.Errorf("%s is panda under Consul's name, which serves one machine", binary)
	}
	return parseRelease(binary, string(out))
}

func parseRelease(binary, text string) (release, error) {
	found := releaseLine.FindStringSubmatch(text)
	if found == nil {
		return release{}, fmt.Errorf("%s is no Consul: its version is %.60q", binary, text)
	}
	major, err := strconv.Atoi(found[2])
	minor, err2 := strconv.Atoi(found[3])
	if err := errors.Join(err, err2); err != nil {
		return release{}, err
	}
	r := release{found[1], major, minor}
	if !r.atLeast(leastMajor, leastMinor) {
		return release{}, fmt.Errorf("%s is Consul %s; a cluster needs %d.%d or later", binary, r.text, leastMajor, leastMinor)
	}
	return r, nil
}
