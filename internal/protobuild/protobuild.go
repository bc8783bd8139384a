// Package protobuild finds the .proto files of a folder and compiles them in this process, so that nothing but Go
// need be installed. Package generate beneath it runs code generators on what was compiled.
//
// It accepts what protoc 3.21 accepts, and edition 2023. All that is wrong with all files is told at once. The
// files of google/protobuf, google/api, google/rpc, google/type, google/longrunning and buf/validate come with it.
//
// It never writes, never starts a program and reads nothing but .proto files within the roots it is given: not
// the environment, not another feature's files. Symbolic links that lead out of the folder are refused.
//
//	src, err := protobuild.Find(dir, protobuild.Settings{})
//	compiled, err := protobuild.Compile(ctx, src)
package protobuild

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The bounds of what is read.
const (
	MaxFileSize = 8 << 20 // bytes of one .proto file
	MaxFiles    = 20_000  // .proto files of one source, imports included
	MaxNesting  = 64      // braces, brackets and parentheses within each other; protoc stops at 32 messages
	MaxFolders  = 100_000 // folders that Find looks into
)

// Source is the .proto files of one module or workspace folder, and the roots from which their imports are named.
type Source struct {
	Dir   string   // absolute; what problems' paths and outputs are relative to
	Roots []string // absolute, or relative to Dir with slashes; the first that has a file counts
	Files []string // as imports name them, with slashes, sorted
}

// Path returns where a file of the source lies, relative to Dir with slashes. It looks at the disk when there are
// several roots, and returns the name when none has the file.
func (s *Source) Path(name string) string {
	for _, root := range s.Roots {
		at := filepath.FromSlash(path.Join(root, name))
		if !filepath.IsAbs(at) {
			at = filepath.Join(s.Dir, at)
		}
		if _, err := os.Stat(at); len(s.Roots) > 1 && err != nil {
			continue
		}
		if relative, err := filepath.Rel(s.Dir, at); err == nil {
			return filepath.ToSlash(relative)
		}
	}
	return name
}

// Settings says where the .proto files of a folder are. The zero value leaves it to convention; see [Find].
type Settings struct {
	Roots   []string // folders, relative to the folder that is searched, with slashes
	Exclude []string // files and folders that are left out, relative to it, with slashes; * and ? as in path.Match
}

// Compiled is a source without a problem. It is not changed after [Compile] has returned it, and may be read by
// several goroutines.
type Compiled struct {
	Source   *Source
	Files    []protoreflect.FileDescriptor // of the source, in its order, with SourceLocations
	Warnings []Problem                     // what is legal but likely a mistake, sorted
}

// Problem is one thing that is wrong with a file, and where.
type Problem struct {
	File    string // relative to Source.Dir, with slashes
	Line    int    // from 1; 0 when the whole file is meant
	Column  int    // in characters, from 1; 0 when the whole file is meant
	Message string
	Text    string // the line of the source, for the caret; "" when there is none to show
}

// String is the problem as a compiler tells it, on one line: "file:line:col: message".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// shownText bounds the source line that is shown with a problem, in characters.
const shownText = 160

// Excerpt is the source line with a caret below the column, each indented by two spaces and ended with a line
// break; "" when there is no line to show. A long line is cut to the part around the column.
func (p Problem) Excerpt() string {
	if p.Text == "" || p.Column < 1 {
		return ""
	}
	line := []rune(strings.Map(visible, p.Text))
	at := min(p.Column-1, len(line))
	if len(line) > shownText {
		from := max(0, min(at-shownText/2, len(line)-shownText))
		line, at = line[from:from+shownText], at-from
	}
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(line[:at]))
	return "  " + strings.TrimRight(string(line), " \t") + "\n  " + indent + "^\n"
}

// visible replaces what could steer a terminal, and keeps tabs.
func visible(r rune) rune {
	if r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
		return ' '
	}
	return r
}

// ProblemsError is all that is wrong with a source.
type ProblemsError struct {
	Problems []Problem // at least one, sorted by file, line and column
}

// shownProblems bounds the text of a ProblemsError.
const shownProblems = 100

// Error is a line for each problem, followed by its source line and a caret; of more than a hundred problems, it
// shows a hundred and counts the others.
func (e *ProblemsError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == shownProblems {
			fmt.Fprintf(&b, "and %d more problems\n", len(e.Problems)-i)
			break
		}
		b.WriteString(p.String() + "\n" + p.Excerpt())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// DescriptorSet returns the files and all that they import, each after its imports, with source information where
// there is one. The set is the caller's own.
func (c *Compiled) DescriptorSet() *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	done := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if done[fd.Path()] {
			return
		}
		done[fd.Path()] = true
		imports := fd.Imports()
		for i := range imports.Len() {
			add(imports.Get(i).FileDescriptor)
		}
		set.File = append(set.File, fileProto(fd))
	}
	for _, fd := range c.Files {
		add(fd)
	}
	return set
}

// holder is a descriptor that was made here, and has the message that it was made from.
type holder interface {
	FileDescriptorProto() *descriptorpb.FileDescriptorProto
}

// fileProto returns a copy of fd's message as the compiler made it, which converting the descriptor back would
// lose some of, such as the order of options.
func fileProto(fd protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	if imported, ok := fd.(protoreflect.FileImport); ok {
		fd = imported.FileDescriptor
	}
	if h, ok := fd.(holder); ok {
		return proto.CloneOf(h.FileDescriptorProto())
	}
	return toProto(fd)
}
