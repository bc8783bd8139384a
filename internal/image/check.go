package image

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	programName = regexp.MustCompile(`^[\pL\pN][\pL\pN._-]*$`)    //nolint:gochecknoglobals // constant
	variable    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*=`) //nolint:gochecknoglobals // constant
)

// maxProgramName is what a USTAR entry has left for a name below /usr/local/bin, in bytes.
const maxProgramName = 80

// Check tells what a specification cannot ask for; it completes ports with /tcp.
func (s *Spec) Check() error {
	if !programName.MatchString(s.Name) || len(s.Name) > maxProgramName {
		return fmt.Errorf("name %q: want letters, digits, and . _ - between them, %d bytes at most", s.Name, maxProgramName)
	}
	if s.Program != "" && (!programName.MatchString(s.Program) || len(s.Program) > maxProgramName) {
		return fmt.Errorf("program %q: want a file name of letters, digits, and . _ - between them, %d bytes at most", s.Program, maxProgramName)
	}
	for _, e := range s.Env {
		if !variable.MatchString(e) {
			return fmt.Errorf("variable %q: want NAME=VALUE", e)
		}
	}
	for i, port := range s.Ports {
		number, protocol, found := strings.Cut(port, "/")
		if !found {
			protocol = "tcp"
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 65535 || protocol != "tcp" && protocol != "udp" {
			return fmt.Errorf("port %q: want 1 to 65535, and /udp behind it when it is not TCP", port)
		}
		s.Ports[i] = number + "/" + protocol
	}
	for _, volume := range s.Volumes {
		if err := checkVolume(volume); err != nil {
			return err
		}
	}
	return nil
}

// taken are folders that the image's own files are in.
var taken = []string{"/etc", "/usr", "/proc", "/sys", "/dev"} //nolint:gochecknoglobals // constant

func checkVolume(volume string) error {
	if !path.IsAbs(volume) || path.Clean(volume) != volume || volume == "/" || volume == "/tmp" || strings.ContainsAny(volume, "\x00,:\\") {
		return fmt.Errorf("volume %q: want the absolute path of a folder in the image, such as /data", volume)
	}
	if len(volume) > maxProgramName {
		return fmt.Errorf("volume %q: longer than %d bytes", volume, maxProgramName)
	}
	for _, dir := range taken {
		if volume == dir || strings.HasPrefix(volume, dir+"/") {
			return fmt.Errorf("volume %q: %s holds the system's own files", volume, dir)
		}
	}
	return nil
}
