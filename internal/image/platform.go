package image

import (
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Platform is Linux on one kind of processor.
type Platform struct {
	Arch    string // as GOARCH has it
	Variant string // of arm: v6 or v7
}

// processors are those that Go has Linux for, with what an executable for them says.
var processors = []struct { //nolint:gochecknoglobals // constant
	arch    string
	machine elf.Machine
	order   elf.Data
}{
	{"amd64", elf.EM_X86_64, elf.ELFDATA2LSB},
	{"arm64", elf.EM_AARCH64, elf.ELFDATA2LSB},
	{"386", elf.EM_386, elf.ELFDATA2LSB},
	{"arm", elf.EM_ARM, elf.ELFDATA2LSB},
	{"loong64", elf.EM_LOONGARCH, elf.ELFDATA2LSB},
	{"ppc64le", elf.EM_PPC64, elf.ELFDATA2LSB},
	{"riscv64", elf.EM_RISCV, elf.ELFDATA2LSB},
	{"s390x", elf.EM_S390, elf.ELFDATA2MSB},
}

// ParsePlatform reads linux/ARCH, and linux/arm/v6 or linux/arm/v7.
func ParsePlatform(text string) (Platform, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] != "linux" {
		return Platform{}, fmt.Errorf("platform %q: want linux/ and a processor, such as linux/amd64", text)
	}
	p := Platform{Arch: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	var known []string
	for _, processor := range processors {
		known = append(known, processor.arch)
	}
	switch {
	case !slices.Contains(known, p.Arch):
		return Platform{}, fmt.Errorf("platform %q: no processor %q; there are %s", text, p.Arch, strings.Join(known, ", "))
	case p.Arch == "arm" && p.Variant == "":
		p.Variant = "v7"
	case p.Arch == "arm64" && p.Variant == "v8":
		p.Variant = "" // which is what arm64 means
	case p.Arch == "arm" && (p.Variant == "v6" || p.Variant == "v7"), p.Variant == "":
	default:
		return Platform{}, fmt.Errorf("platform %q: no variant %q of %s", text, p.Variant, p.Arch)
	}
	return p, nil
}

func (p Platform) String() string {
	if p.Variant != "" {
		return "linux/" + p.Arch + "/" + p.Variant
	}
	return "linux/" + p.Arch
}

// file is the platform as part of a file's name.
func (p Platform) file() string { return strings.ReplaceAll(p.String(), "/", "-") }

func (p Platform) descriptor() *v1.Platform {
	return &v1.Platform{OS: "linux", Architecture: p.Arch, Variant: p.Variant}
}

// environ is what the go command is told of the platform.
func (p Platform) environ() []string {
	environ := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + p.Arch}
	if p.Variant != "" {
		environ = append(environ, "GOARM="+strings.TrimPrefix(p.Variant, "v"))
	}
	return environ
}

// ProgramError says why an executable cannot run in an image.
type ProgramError struct {
	Path   string
	Reason string
}

func (e *ProgramError) Error() string { return fmt.Sprintf("pack %s: %s", e.Path, e.Reason) }

// PlatformOf returns what an executable runs on. One that is not for Linux, or needs more than itself, is a
// *[ProgramError].
func PlatformOf(path string) (Platform, error) {
	wrong := func(reason string) (Platform, error) { return Platform{}, &ProgramError{path, reason} }
	info, err := os.Stat(path)
	if err != nil {
		return Platform{}, err
	}
	if !info.Mode().IsRegular() {
		return wrong("it is not a file")
	}
	if instead := whatInstead(path); instead != "" {
		return wrong(instead)
	}
	file, err := elf.Open(path)
	if err != nil {
		return wrong("it is no whole executable: " + err.Error())
	}
	defer file.Close() //nolint:errcheck // it was only read
	if file.Type != elf.ET_EXEC && file.Type != elf.ET_DYN {
		return wrong("it is a part of a program, not an executable")
	}
	if file.OSABI != elf.ELFOSABI_NONE && file.OSABI != elf.ELFOSABI_LINUX {
		return wrong("it is for " + strings.TrimPrefix(file.OSABI.String(), "ELFOSABI_") + ", want one for Linux")
	}
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return wrong("it is linked dynamically, and an image has no libraries; build it with CGO_ENABLED=0, or statically")
		}
	}
	for _, processor := range processors {
		if processor.machine == file.Machine && processor.order == file.Data {
			p := Platform{Arch: processor.arch}
			if p.Arch == "arm" {
				p.Variant = "v7"
			}
			return p, nil
		}
	}
	return wrong("no image can be for its processor, " + strings.TrimPrefix(file.Machine.String(), "EM_"))
}

// whatInstead tells what a file is that is not in the format of Linux's executables, "" for one that is.
func whatInstead(path string) string {
	file, err := os.Open(path) //nolint:gosec // the user's own
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	var head [4]byte
	_, _ = file.Read(head[:]) // too short a file is none of these
	switch {
	case string(head[:]) == elf.ELFMAG:
		return ""
	case string(head[:2]) == "MZ":
		return "it is a program for Windows, want one for Linux"
	case string(head[:]) == "\xcf\xfa\xed\xfe", string(head[:]) == "\xca\xfe\xba\xbe":
		return "it is a program for macOS, want one for Linux"
	case string(head[:2]) == "#!":
		return "it is a script, and an image has no shell"
	}
	return "it is not an executable for Linux"
}

// checkProgram makes sure that a program can run where it is said to.
func checkProgram(p Program) error {
	found, err := PlatformOf(p.Path)
	if err != nil {
		return err
	}
	if found.Arch != p.Platform.Arch {
		return &ProgramError{p.Path, fmt.Sprintf("it is for %s, not for %s", found, p.Platform)}
	}
	return nil
}
