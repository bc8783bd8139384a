package cluster_test

import "errors"

var errNoFreeze = errors.New("there are no drills on Windows")

func freeze(int) error { return errNoFreeze }

func thaw(int) error { return errNoFreeze }
