package workspace

import (
	"time"

	"github.com/pandakit/panda/internal/process"
)

// Kind says what happened.
type Kind int

// What can happen while a workspace runs. Those of the first group are about one instance.
const (
	Started   Kind = iota // a process runs that will not register: that is all there is to wait for
	Passing               // the registry calls the instance healthy
	Failing               // it was passing and is not any more
	Slow                  // it runs for a while and still is not passing
	Crashed               // it ended unasked; it is started again after Delay
	Unstarted             // it could not be started; that is tried again after Delay
	Finished              // a one-shot program has done its work
	Stopped               // it has ended as it was asked, or was killed
	Replaced              // a new process has taken over, and the one before it drains
	Kept                  // a new process did not take over, as Err says; the one before it serves on
	Retired               // the one before has ended, other than by draining well
	Emptied               // it drains before the new process starts, since both cannot run at once

	Ready        // every instance is passing, running or finished, each for the first time
	RegistryAway // the registry does not answer
	RegistryBack // it answers again
	Stopping     // all instances are to end
	AllFinished  // nothing is left to run

	Changed    // files have been saved on which services depend, which are built now
	Unchanged  // the executables of services that were built are what runs already
	Broken     // services do not compile, or their code cannot be generated, as Err says
	Unapplied  // files have been saved, and nothing is done about it, as Reason says
	Unwatched  // files cannot be watched any more, as Err says: nothing is reloaded
	Attached   // an instance that was started elsewhere stands in for those of a service
	Detached   // it does not any more, as Reason says
	Downsizing // a service gets fewer instances
)

// Event is something that happened. Fields that are not named with a kind above are set where they make sense.
type Event struct {
	Kind    Kind
	Label   string        // of the instance; of Attached, Detached and Downsizing: the service
	Address string        // of Passing, Replaced and Attached: host:port
	Took    time.Duration // since its process was started; of Stopped, since it was asked to end; of Replaced, since the save
	Exit    process.Exit
	Delay   time.Duration
	Killed  bool   // of Stopped and Retired
	Status  string // of Failing and Slow: of its worst check; empty when it is not registered
	Output  string // of the worst check
	Err     error
	Count   int      // of Ready and Stopping: instances
	Names   []string // of services
	Files   []string // absolute
	Reason  string
}
