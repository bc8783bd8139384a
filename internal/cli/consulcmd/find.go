package consulcmd

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/cli/command"
)

// Mark names the variable that a Consul which panda runs has in its environment: the process that ran it. A
// script called consul that runs panda would go on for ever without it.
const Mark = "PANDA_RUNS_CONSUL"

// called reports whether this process, or the script that started it, was run as a Consul by panda.
func called(getenv func(string) string) bool {
	by := getenv(Mark)
	return by != "" && (by == strconv.Itoa(os.Getpid()) || by == strconv.Itoa(os.Getppid()))
}

// OnPath returns every program of a name in the folders of the environment's PATH, in their order. Relative
// folders are left out: what is found must not depend on where the user stands.
func OnPath(env *command.Env, name string) []string {
	var found []string
	for _, folder := range filepath.SplitList(env.Getenv("PATH")) {
		if !filepath.IsAbs(folder) {
			continue
		}
		for _, ending := range endings(env) {
			path := filepath.Join(folder, name+ending)
			if info, err := os.Stat(path); err == nil && executable(info) {
				found = append(found, path)
				break
			}
		}
	}
	return found
}

func executable(info os.FileInfo) bool {
	return info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode().Perm()&0o111 != 0)
}

func endings(env *command.Env) []string {
	if runtime.GOOS != "windows" {
		return []string{""}
	}
	var all []string
	for ending := range strings.SplitSeq(env.Getenv("PATHEXT"), ";") {
		if ending != "" {
			all = append(all, strings.ToLower(ending))
		}
	}
	if len(all) == 0 {
		return []string{".exe"}
	}
	return all
}

// isPanda reports whether the program is this one, by a link or a copy of any version.
func isPanda(path string) bool {
	if self, err := os.Executable(); err == nil && sameFile(self, path) {
		return true
	}
	info, err := buildinfo.ReadFile(path)
	return err == nil && strings.HasPrefix(info.Path, "github.com/pandakit/panda/cmd/")
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
