package lint

import (
	"fmt"
	"go/token"
	"path"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// head begins the files of examples that say their own package.
const head = "syntax = \"proto3\";\n\n"

func packageRules() []Rule {
	return []Rule{
		{
			"PACKAGE_DEFINED", Packages,
			"A file says what package it is in. Without one all its names are the whole world's, and two files cannot both have a message Request.",
			"-- a.proto --\n" + head + "message Pet {}", "-- acme/v1/a.proto --\n" + head + "package acme.v1;\n\nmessage Pet {}",
			eachFile(func(p *pass, file protoreflect.FileDescriptor) {
				if file.Package() == "" {
					p.at(file, partSyntax, "the file has no package; say one, such as package %s.v1;", firstFolder(file.Path()))
				}
			}),
		},
		{
			"PACKAGE_DIRECTORY_MATCH", Packages,
			"A package lies in the folder of its name: acme.pet.v1 in acme/pet/v1, below the folder that imports are named from. Whoever sees an import then knows the package, and no two files can have one name.",
			"-- pet.proto --\n" + head + "package acme.pet.v1;", "-- acme/pet/v1/pet.proto --\n" + head + "package acme.pet.v1;",
			eachFile(func(p *pass, file protoreflect.FileDescriptor) {
				want := strings.ReplaceAll(string(file.Package()), ".", "/")
				if want != "" && path.Dir(file.Path()) != want {
					p.at(file, partPackage, "package %s is to lie in the folder %s, and the file is in %s", file.Package(), want, path.Dir(file.Path()))
				}
			}),
		},
		{
			"PACKAGE_SAME_DIRECTORY", Packages,
			"All files of a package lie in one folder. Languages that make a package of a folder cannot put them together otherwise.",
			"-- a/a.proto --\n" + head + "package acme.v1;\n-- b/b.proto --\n" + head + "package acme.v1;",
			"-- acme/v1/a.proto --\n" + head + "package acme.v1;\n-- acme/v1/b.proto --\n" + head + "package acme.v1;",
			alike(func(f protoreflect.FileDescriptor) string { return string(f.Package()) }, func(f protoreflect.FileDescriptor) string { return path.Dir(f.Path()) },
				"package %s lies in several folders: %s"),
		},
		{
			"DIRECTORY_SAME_PACKAGE", Packages,
			"All files of a folder are of one package. Two of them in one folder become one Go package, where their names clash.",
			"-- acme/v1/a.proto --\n" + head + "package acme.v1;\n-- acme/v1/b.proto --\n" + head + "package other.v1;",
			"-- acme/v1/a.proto --\n" + head + "package acme.v1;\n-- acme/v1/b.proto --\n" + head + "package acme.v1;",
			alike(func(f protoreflect.FileDescriptor) string { return path.Dir(f.Path()) }, func(f protoreflect.FileDescriptor) string { return string(f.Package()) },
				"the folder %s has files of several packages: %s"),
		},
		{
			"PACKAGE_VERSION_SUFFIX", Packages,
			"A package's name ends in a version: v1, v1beta1. A change that breaks callers then has a place to go, v2, and both are served until the last caller has moved.",
			"-- acme/pet/pet.proto --\n" + head + "package acme.pet;", "-- acme/pet/v1/pet.proto --\n" + head + "package acme.pet.v1;",
			eachFile(func(p *pass, file protoreflect.FileDescriptor) {
				if file.Package() != "" && !version.MatchString(string(file.Package().Name())) {
					p.at(file, partPackage, "package %s is to end in a version: %s.v1", file.Package(), file.Package())
				}
			}),
		},
	}
}

func packageOptionRules() []Rule {
	return []Rule{
		{
			"PACKAGE_SAME_GO_PACKAGE", Packages,
			"All files of a package have the same option go_package, or none has it. Otherwise types of one package become Go types of several, which may not import each other in a circle.",
			"-- acme/v1/a.proto --\n" + head + "package acme.v1;\n\noption go_package = \"example.com/a\";\n-- acme/v1/b.proto --\n" + head + "package acme.v1;\n\noption go_package = \"example.com/b\";",
			"-- acme/v1/a.proto --\n" + head + "package acme.v1;\n\noption go_package = \"example.com/acme/v1;acmev1\";\n-- acme/v1/b.proto --\n" + head + "package acme.v1;\n\noption go_package = \"example.com/acme/v1;acmev1\";",
			alike(func(f protoreflect.FileDescriptor) string { return string(f.Package()) }, goPackage, "files of package %s have different go_package options: %s"),
		},
		{
			"GO_PACKAGE_IMPORT_PATH", Packages,
			"The option go_package, where there is one, is the path that Go code imports, optionally with a name after a semicolon. A path on the disk, such as ./pb, is none: protoc took it long ago, and other modules cannot import it. It may be left out: panda gen works it out from go.mod.",
			"-- acme/v1/a.proto --\n" + head + "package acme.v1;\n\noption go_package = \"./Message\";", "-- acme/v1/a.proto --\n" + head + "package acme.v1;\n\noption go_package = \"example.com/acme/v1;acmev1\";",
			eachFile(func(p *pass, file protoreflect.FileDescriptor) {
				if text := goPackage(file); text != "" {
					if wrong := wrongGoPackage(text); wrong != "" {
						p.at(file, partGoPackage, "go_package %q %s; leave it out, or write one like %s", text, wrong, path.Join("example.com/module", path.Dir(file.Path())))
					}
				}
			}),
		},
		{
			"SYNTAX_SPECIFIED", Packages,
			"A file says its syntax or edition. One that does not is proto2, which few mean today.",
			"-- acme/v1/a.proto --\npackage acme.v1;", "-- acme/v1/a.proto --\n" + head + "package acme.v1;",
			eachFile(func(p *pass, file protoreflect.FileDescriptor) {
				locations := file.SourceLocations()
				said := locations.ByPath(protoreflect.SourcePath(partSyntax)).Path != nil
				if locations.Len() > 0 && !said && file.Syntax() == protoreflect.Proto2 {
					p.at(file, nil, "the file does not say its syntax, and is read as proto2; begin it with syntax = \"proto3\";")
				}
			}),
		},
		{
			"STABLE_PACKAGE_NO_IMPORT_UNSTABLE", Packages,
			"A package with a stable version does not use one that is alpha or beta: what may change any day would change the stable one with it.",
			"-- acme/v1/a.proto --\n" + head + "package acme.v1;\n\nimport \"acme/v2beta1/b.proto\";\n\nmessage Pet {\n  acme.v2beta1.Kind kind = 1;\n}\n-- acme/v2beta1/b.proto --\n" + head + "package acme.v2beta1;\n\nmessage Kind {}",
			"-- acme/v1/a.proto --\n" + head + "package acme.v1;\n\nimport \"acme/v2/b.proto\";\n\nmessage Pet {\n  acme.v2.Kind kind = 1;\n}\n-- acme/v2/b.proto --\n" + head + "package acme.v2;\n\nmessage Kind {}",
			eachFile(stableImports),
		},
		{
			"PACKAGE_NO_IMPORT_CYCLE", Packages,
			"Packages do not import each other in a circle. Their files may, as long as no file does, but the Go packages that they become may not.",
			"-- acme/a/v1/x.proto --\n" + head + "package acme.a.v1;\n\nimport \"acme/b/v1/x.proto\";\n\nmessage X {\n  acme.b.v1.X x = 1;\n}\n-- acme/a/v1/y.proto --\n" + head + "package acme.a.v1;\n\nmessage Y {}\n-- acme/b/v1/x.proto --\n" + head + "package acme.b.v1;\n\nimport \"acme/a/v1/y.proto\";\n\nmessage X {\n  acme.a.v1.Y y = 1;\n}",
			"-- acme/a/v1/x.proto --\n" + head + "package acme.a.v1;\n\nimport \"acme/b/v1/x.proto\";\n\nmessage X {\n  acme.b.v1.X x = 1;\n}\n-- acme/b/v1/x.proto --\n" + head + "package acme.b.v1;\n\nmessage X {}",
			importCycles,
		},
	}
}

func firstFolder(file string) string {
	folder, _, found := strings.Cut(file, "/")
	if !found {
		return "acme"
	}
	return toLowerSnake(folder)
}

// alike makes a check that files with the same key have the same value; "" as a key is none.
func alike(key, value func(protoreflect.FileDescriptor) string, format string) func(*pass) {
	return func(p *pass) {
		values := make(map[string][]string)
		for _, file := range p.files {
			if k, v := key(file), value(file); k != "" && !slices.Contains(values[k], v) {
				values[k] = append(values[k], v)
			}
		}
		for _, file := range p.files {
			k := key(file)
			if len(values[k]) < 2 {
				continue
			}
			shown := make([]string, len(values[k]))
			for i, v := range values[k] {
				shown[i] = v
				if v == "" {
					shown[i] = "none"
				}
			}
			slices.Sort(shown)
			p.at(file, partPackage, format, k, strings.Join(shown, ", "))
		}
	}
}

func goPackage(file protoreflect.FileDescriptor) string {
	options, _ := file.Options().(*descriptorpb.FileOptions)
	return options.GetGoPackage()
}

// wrongGoPackage says why text is not what Go code can import, or "".
func wrongGoPackage(text string) string {
	importPath, name, named := strings.Cut(text, ";")
	switch {
	case importPath == "":
		return "has no path"
	case strings.HasPrefix(importPath, ".") || strings.HasPrefix(importPath, "/"):
		return "is a path on the disk, not one that Go code imports"
	case path.Clean(importPath) != importPath || strings.ContainsAny(importPath, `\ "'*<>?|:`):
		return "is not an import path of Go"
	case !strings.Contains(importPath, "/") && !strings.Contains(importPath, "."):
		return "has no module in it"
	case named && !token.IsIdentifier(name):
		return fmt.Sprintf("names the Go package %q, which is no identifier", name)
	case strings.ContainsFunc(path.Base(importPath), unicode.IsUpper) && !named:
		return "makes a Go package with capitals in its name"
	}
	return ""
}

func stableImports(p *pass, file protoreflect.FileDescriptor) {
	if !version.MatchString(string(file.Package().Name())) || unstable.MatchString(string(file.Package().Name())) {
		return
	}
	for i := range file.Imports().Len() {
		imported := file.Imports().Get(i)
		last := string(imported.Package().Name())
		if version.MatchString(last) && unstable.MatchString(last) {
			p.at(file, importPart(i), "package %s is stable and imports %s, which may change any day", file.Package(), imported.Package())
		}
	}
}

// importCycles reports each import that leads, package by package, back to the package of its own file.
func importCycles(p *pass) {
	next := make(map[protoreflect.FullName]map[protoreflect.FullName]bool)
	for _, file := range p.files {
		for i := range file.Imports().Len() {
			if to := file.Imports().Get(i).Package(); to != file.Package() {
				if next[file.Package()] == nil {
					next[file.Package()] = make(map[protoreflect.FullName]bool)
				}
				next[file.Package()][to] = true
			}
		}
	}
	for _, file := range p.files {
		for i := range file.Imports().Len() {
			to := file.Imports().Get(i).Package()
			if to != file.Package() && reaches(next, to, file.Package(), make(map[protoreflect.FullName]bool)) {
				p.at(file, importPart(i), "package %s imports %s, which imports it in turn", file.Package(), to)
			}
		}
	}
}

func reaches(next map[protoreflect.FullName]map[protoreflect.FullName]bool, from, to protoreflect.FullName, seen map[protoreflect.FullName]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	for n := range next[from] {
		if reaches(next, n, to, seen) {
			return true
		}
	}
	return false
}
