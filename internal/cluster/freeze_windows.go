package cluster

import "errors"

func freeze(int) error { return errors.New("Windows has no way to stop a process where it stands") } //nolint:staticcheck // a name

func thaw(int) error { return errors.New("Windows has no way to stop a process where it stands") } //nolint:staticcheck // a name
