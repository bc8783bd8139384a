// Package config reads panda.yaml, the optional file that says how the services of a folder are run and deployed, and
// what is made of its .proto files. It never looks for services, starts none, and reads no other file.
//
//	services:
//	  hello:
//	    path: ./hello         # folder of a main package; default: the service found under this name, else ./hello
//	    replicas: 3           # 1 to 100, default 1
//	    env: {LANG: zh_CN}    # added to the environment of panda
//	    args: [-v]            # arguments of the program
//	    after: [migrate]      # started once these are ready
//	    image: hello:1.4      # of panda deploy, with a tag or digest; default: deploy.registry/NAME with --tag
//	    limits: {cpu: 0.5, memory: 256MiB} # processors, 0.01 to 256; MiB or GiB, 16MiB to 1024GiB; default: none
//	    secrets: {DB_PASSWORD: db/password} # variable: name of a secret, and of a key in it; never the value itself.
//	                          # A variable whose name ends in _FILE gets the path of a file with the value.
//	    drain: 30s            # the most that a call may take that runs when an instance is stopped: 0s to 1h, what
//	                          # WithDrainTimeout says in the service's code; default 30s, as there
//	    expose: 8080          # port on which clients outside reach it; of several instances on one host it is the first's
//	  migrate:
//	    oneshot: true         # does its work and exits with 0; ready then
//	proto:                    # of panda gen, lint and breaking; all of it may be left out
//	  roots: [proto]          # what imports are named from; default: by convention
//	  exclude: [proto/old]
//	  generate:               # default: go and go-grpc, beside the .proto files or where go_package says
//	    - {plugin: go}
//	    - {plugin: es, out: web/gen, options: [target=ts]}
//	  lint: {disable: [COMMENTS]}
//	  breaking: {ignore: [proto/draft]}
//	deploy:                   # of panda deploy; all of it may be left out
//	  registry: example.com/team # where images without an image above are, with --tag
//	  consul:
//	    image: hashicorp/consul:2.0.4
//	    servers: 3            # 1, 3 or 5; default 3
//	    datacenter: dc1       # default dc1
//	    address: 10.0.0.5:8500 # of one that is there already, and then none is deployed
//	    token: consul-token   # secret: the ACL token of the services
//	    config: consul-config # secret: a piece of Consul's configuration in HCL for every agent, such as encrypt and acl;
//	                          # without it servers get raft_multiplier 1, which belongs into it, too
//
// Reading is strict: a key that is not one of these, or a value of another type, is an error that names
// its line and column. Anchors, aliases and tags are refused, since no one reads a file of this size faster with them.
//
// The parser is goccy/go-yaml's: its syntax errors carry line and column, where yaml/v3 gives the line at best.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Name is what the file is called.
const Name = "panda.yaml"

// The bounds of what a file may say.
const (
	MaxSize     = 64 << 10 // bytes
	MaxReplicas = 100
	MaxServices = 200
)

// Pos is a place in the file; both count from 1.
type Pos struct{ Line, Column int }

// Error is what is wrong with the file, and where.
type Error struct {
	File string // as it was opened, or as the caller named it
	Pos  Pos
	Text string
}

func (e *Error) Error() string {
	return fmt.Sprintf("read %s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Column, e.Text)
}

// File is a file that has been read and is valid in itself; whether the paths lead anywhere is asked by [File.Folder].
type File struct {
	Name     string // as given to Parse
	Services []Service
	Proto    *Proto  // nil when the file has no such key
	Deploy   *Deploy // nil when the file has no such key
}

// Service is one entry below services, in the order of the file.
type Service struct {
	Name     string
	Path     string // as written; "" when left out
	Replicas int    // 1 when left out
	Env      map[string]string
	Args     []string
	After    []Reference
	Oneshot  bool

	// Of panda deploy.
	Image   string // with a tag or digest; "" when left out
	Limits  Limits
	Secrets []Secret       // in the order of the file
	Drain   *time.Duration // nil when left out
	Expose  int            // 0 when left out

	Pos     Pos // of the name
	PathPos Pos // of the path, or of the name when there is none
}

// Reference is the name of another service and where it is written.
type Reference struct {
	Name string
	Pos  Pos
}

// Errorf returns an *[Error] at a place in f.
func (f *File) Errorf(pos Pos, format string, args ...any) error {
	return &Error{f.Name, pos, fmt.Sprintf(format, args...)}
}

// Read reads the file in folder; the error wraps [fs.ErrNotExist] when there is none. shown is the folder as
// error texts are to name it.
func Read(folder, shown string) (*File, error) {
	name := filepath.Join(shown, Name)
	opened, err := os.Open(filepath.Join(folder, Name)) //nolint:gosec // the folder is the one that is to be run
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, cause(err))
	}
	defer opened.Close()
	data, err := io.ReadAll(io.LimitReader(opened, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, cause(err))
	}
	return Parse(name, data)
}

// cause strips the path that the text around it names already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// Folder returns the absolute folder, free of symbolic links, that the service's path leads to from root.
// It must exist and lie at or below root, links followed.
func (f *File) Folder(root string, s *Service) (string, error) {
	path := s.Path
	if path == "" {
		path = s.Name
	}
	target := filepath.FromSlash(path)
	if !filepath.IsAbs(target) {
		target = filepath.Join(root, target)
	}
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	folder, err := filepath.EvalSymlinks(target)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && s.Path == "" {
			return "", f.Errorf(s.PathPos, "no service %q is found and there is no folder ./%s; set its path", s.Name, s.Name)
		}
		return "", f.Errorf(s.PathPos, "path %q of service %q: %v", path, s.Name, cause(err))
	}
	if relative, err := filepath.Rel(root, folder); err != nil || !filepath.IsLocal(relative) {
		return "", f.Errorf(s.PathPos, "path %q of service %q leads out of the folder of %s", path, s.Name, Name)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return "", f.Errorf(s.PathPos, "path %q of service %q is not a folder", path, s.Name)
	}
	return folder, nil
}

// FixedPort reports whether a service with this environment listens on a port of its choice rather than on
// any free one, so that only one instance can.
func FixedPort(env map[string]string) bool {
	addr := env["PANDA_ADDR"]
	return addr != "" && !strings.HasSuffix(addr, ":0")
}

// checkCycle refuses services that wait for each other, named at the reference that closes the circle.
func (f *File) checkCycle() error {
	byName := make(map[string]*Service, len(f.Services))
	for i := range f.Services {
		byName[f.Services[i].Name] = &f.Services[i]
	}
	done := make(map[string]bool)
	var path []string
	var visit func(s *Service) error
	visit = func(s *Service) error {
		path = append(path, s.Name)
		for _, after := range s.After {
			if at := slices.Index(path, after.Name); at >= 0 {
				circle := slices.Concat(path[at:], []string{after.Name})
				return f.Errorf(after.Pos, "services wait for each other: %s", strings.Join(circle, " → "))
			}
			if next := byName[after.Name]; next != nil && !done[next.Name] {
				if err := visit(next); err != nil {
					return err
				}
			}
		}
		path = path[:len(path)-1]
		done[s.Name] = true
		return nil
	}
	for i := range f.Services {
		if !done[f.Services[i].Name] {
			if err := visit(&f.Services[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
