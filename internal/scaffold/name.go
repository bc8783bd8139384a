package scaffold

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the length of a DNS label, which the name of a service becomes.
const maxName = 63

// namePattern is a DNS label in lower case that a Go package and a .proto package can be named after, too.
var namePattern = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)

// checkName says what is wrong with the name of a service, or "".
func checkName(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case len(name) > maxName:
		return fmt.Sprintf("it is longer than %d characters, which DNS does not take", maxName)
	case name == "consul":
		return "it is the name of the registry's own service"
	case unicode.IsDigit(firstRune(name)):
		return "it begins with a digit, which no Go package can"
	case !namePattern.MatchString(name):
		return "DNS names have lower-case letters a to z, digits and hyphens between them"
	}
	return ""
}

// deriveName makes the name of a service of the name of its folder: lower case, without the ending .srv of a srv, and
// with a hyphen for what separates words. rpc.srv is rpc, rpc.web is rpc-web, so that the two are told apart.
func deriveName(folder string, t Type) (string, error) {
	name := strings.ToLower(folder)
	if t == Srv {
		name = strings.TrimSuffix(name, "."+string(Srv))
	}
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool {
		return r == '.' || r == '_' || r == '-' || unicode.IsSpace(r)
	}), "-")
	why := checkName(name)
	if at := strings.IndexFunc(name, notInName); at >= 0 {
		r, _ := utf8.DecodeRuneInString(name[at:])
		why = fmt.Sprintf("DNS names cannot have %q", r)
	}
	if why != "" {
		return "", inputErrorf("give a name with --name, such as --name hello", "name the service of folder %q: %s", folder, why)
	}
	return name, nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// words returns the parts of a name between hyphens.
func words(name string) []string { return strings.Split(name, "-") }

// packageName is the name without hyphens: of the Go package, of the .proto package, and of the file. An underscore in
// the file's name could make it one for another system, as in x_windows.pb.go.
func packageName(name string) string { return strings.ReplaceAll(name, "-", "") }

// serviceName is the name as a service in a .proto file has it: RpcService.
func serviceName(name string) string {
	parts := words(name)
	if len(parts) > 1 && parts[len(parts)-1] == "service" {
		parts = parts[:len(parts)-1]
	}
	var b strings.Builder
	for _, word := range parts {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String() + "Service"
}

// windowsReserved are the names that Windows keeps for devices, whatever ending they are given.
var windowsReserved = []string{"con", "prn", "aux", "nul", "conin$", "conout$"}

// badFolder says why a folder of that name is not made, or "": it could not be checked out on every system, or the
// go command would pass it by.
func badFolder(name string) string {
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	stem = strings.TrimRight(stem, " ")
	switch {
	case slices.Contains(windowsReserved, stem), isPort(stem):
		return "Windows reserves this name"
	case !utf8.ValidString(name):
		return "it is not UTF-8"
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_"):
		return fmt.Sprintf("the go command passes by folders that begin with %q", name[:1])
	case strings.HasPrefix(name, "-"):
		return "commands take what begins with - for a flag"
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") || strings.HasPrefix(name, " "):
		return "Windows takes no name with a dot or a space at its end"
	case slices.Contains([]string{"testdata", "vendor", "node_modules"}, name):
		return "panda and the go command pass by folders of this name"
	}
	for _, r := range name {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return "it has a character that cannot be seen"
		}
		if strings.ContainsRune(`<>:"|?*\`, r) {
			return fmt.Sprintf("no folder of Windows can have %q in its name", r)
		}
	}
	return ""
}

func isPort(stem string) bool {
	return len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) && stem[3] >= '0' && stem[3] <= '9'
}

// badImportPath says which part of a path, with slashes, no import path can have, or "".
func badImportPath(path string) string {
	for part := range strings.SplitSeq(path, "/") {
		bad := strings.IndexFunc(part, func(r rune) bool {
			return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~", r)
		})
		if bad >= 0 {
			r, _ := utf8.DecodeRuneInString(part[bad:])
			return fmt.Sprintf("import paths of Go cannot have %q", r)
		}
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") {
			return fmt.Sprintf("import paths of Go cannot have the part %q", part)
		}
	}
	return ""
}

// isDomain reports whether a path begins like those that modules are downloaded from: github.com/me/hello.
func isDomain(path string) bool {
	first, rest, found := strings.Cut(filepath.ToSlash(path), "/")
	return found && rest != "" && regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}$`).MatchString(first) && badImportPath(filepath.ToSlash(path)) == ""
}
