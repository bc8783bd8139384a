package workspace

import (
	"time"

	"github.com/pandakit/panda/internal/workspace/process"
)

// Kind says what happened.
type Kind int

// What can happen while a workspace runs. All but the last five are about one instance.
const (
	Started   Kind = iota // a process runs that will not register: that is all there is to wait for
	Passing               // the registry calls the instance healthy
	Failing               // it was passing and is not any more
	Slow                  // it runs for a while and still is not passing
	Crashed               // it ended unasked; it is started again after Delay
	Unstarted             // it could not be started; that is tried again after Delay
	Finished              // a one-shot program has done its work
	Stopped               // it has ended as it was asked, or was killed

	Ready        // every instance is passing, running or finished, each for the first time
	RegistryAway // the registry does not answer
	RegistryBack // it answers again
	Stopping     // all instances are to end
	AllFinished  // nothing is left to run
)

// Event is something that happened. Fields that are not named with a kind above are set where they make sense.
type Event struct {
	Kind    Kind
	Label   string        // of the instance
	Address string        // of Passing: host:port
	Took    time.Duration // since its process was started; of Stopped, since it was asked to end
	Exit    process.Exit
	Delay   time.Duration
	Killed  bool   // of Stopped
	Status  string // of Failing and Slow: of its worst check; empty when it is not registered
	Output  string // of the worst check
	Err     error  // of Unstarted and RegistryAway
	Count   int    // of Ready and Stopping: instances
}
