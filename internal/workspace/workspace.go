// Package workspace is a folder with services in it: it reads which there are, builds them, starts them in
// order, follows their health at a registry, keeps them running, and drains them. It tells what happens as
// events and prints nothing; it starts no registry, and never serves anything itself.
package workspace

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pandakit/panda/internal/workspace/config"
	"github.com/pandakit/panda/internal/workspace/find"
)

// Service is a program of the workspace and how it is to be run.
type Service struct {
	Name     string // unique in the workspace
	Dir      string // of its main package, absolute
	Module   find.Module
	Registry string // the name it announces, as far as its code says; "" when it announces nothing
	Replicas int
	Env      map[string]string
	Args     []string
	After    []string // names of services that are to be ready before it is started
	Oneshot  bool
	Debugger *Debugger // nil: it runs by itself

	file *config.File // that names it, or nil
	pos  config.Pos   // in file
}

// InstanceID returns the ID of the service's nth instance, counted from 1.
func (s *Service) InstanceID(n int) string { return s.Name + "-" + strconv.Itoa(n) }

// Label returns what people call the nth instance, whatever happens to it and to those beside it: the first one of a
// service that began as one has the name alone, and every other one has its number.
func (s *Service) Label(n int) string {
	if s.Replicas == 1 && n == 1 {
		return s.Name
	}
	return s.InstanceID(n)
}

// Debugger is a program that runs a service and takes a debugger's client.
type Debugger struct {
	Path    string // of dlv
	Address string // that it listens on, host:port
}

// command is how an executable is run under the debugger: at once, whether a client is there or not.
func (d *Debugger) command(binary string, args []string) (path string, arguments []string) {
	return d.Path, slices.Concat([]string{
		"exec", "--headless", "--listen=" + d.Address, "--api-version=2", "--accept-multiclient", "--continue", binary, "--",
	}, args)
}

// Workspace is the services of one or several folders, each after those it waits for.
type Workspace struct {
	Services []*Service
	Folders  []string // that were loaded, absolute and free of symbolic links
}

// Debug makes a service, which must run once, run under a debugger.
func (w *Workspace) Debug(name string, d Debugger) error {
	s := w.Service(name)
	switch {
	case s == nil:
		return &UnknownServiceError{name, w.names()}
	case s.Replicas > 1:
		return fmt.Errorf("debug %s: it runs %d times, and only one instance can be debugged; add --replicas %s=1", name, s.Replicas, name)
	}
	s.Debugger = &d
	return nil
}

// Instances returns how many instances there are in all.
func (w *Workspace) Instances() int {
	n := 0
	for _, s := range w.Services {
		n += s.Replicas
	}
	return n
}

// Labels returns the labels of all instances.
func (w *Workspace) Labels() []string {
	var labels []string
	for _, s := range w.Services {
		for n := range s.Replicas {
			labels = append(labels, s.Label(n+1))
		}
	}
	return labels
}

// ServiceOf returns the name of the service whose instance has the label, "" when there is none.
func (w *Workspace) ServiceOf(label string) string {
	if w.Service(label) != nil {
		return label
	}
	if name := nameOf(label); w.Service(name) != nil {
		return name
	}
	return ""
}

// Service returns the service of that name, or nil.
func (w *Workspace) Service(name string) *Service {
	for _, s := range w.Services {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Scale sets how many instances of a service run, 1 to [config.MaxReplicas].
func (w *Workspace) Scale(name string, replicas int) error {
	s := w.Service(name)
	switch {
	case s == nil:
		return &UnknownServiceError{name, w.names()}
	case replicas < 1 || replicas > config.MaxReplicas:
		return fmt.Errorf("run %d replicas of %s: want 1 to %d", replicas, name, config.MaxReplicas)
	case replicas > 1 && config.FixedPort(s.Env):
		return fmt.Errorf("run %d replicas of %s: its PANDA_ADDR %q is one port", replicas, name, s.Env["PANDA_ADDR"])
	}
	s.Replicas = replicas
	return nil
}

// Unknown returns the error for a name that is no service's.
func (w *Workspace) Unknown(name string) error { return &UnknownServiceError{name, w.names()} }

func (w *Workspace) names() []string {
	names := make([]string, 0, len(w.Services))
	for _, s := range w.Services {
		names = append(names, s.Name)
	}
	return names
}
