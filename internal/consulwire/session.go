package consulwire

import (
	"encoding/json"
	"time"
)

// What happens to the locks of a session that ends.
const (
	SessionRelease = "release"
	SessionDelete  = "delete" // their keys go with it
)

// Session is a session as /v1/session/ shows it.
type Session struct {
	ID            string
	Name          string
	Node          string
	LockDelay     time.Duration // nanoseconds in JSON
	Behavior      string
	TTL           string // empty when the session does not expire
	NodeChecks    []string
	ServiceChecks []SessionServiceCheck
	Checks        []string `json:",omitempty"` // the older spelling of NodeChecks
	CreateIndex   uint64
	ModifyIndex   uint64
}

// SessionServiceCheck names a check of a service by its ID.
type SessionServiceCheck struct {
	ID        string
	Namespace string
}

// CheckIDs returns the IDs of all checks that the session depends on.
func (s *Session) CheckIDs() []string {
	ids := make([]string, 0, len(s.Checks)+len(s.NodeChecks)+len(s.ServiceChecks))
	ids = append(append(ids, s.Checks...), s.NodeChecks...)
	for _, c := range s.ServiceChecks {
		ids = append(ids, c.ID)
	}
	return ids
}

// SessionCreation is the body of /v1/session/create. Reading one leaves what the body does not name as it is.
type SessionCreation struct{ Session }

// A lock delay is text ("10s") or a number: of seconds when it is small, else of nanoseconds.
const leastNanoseconds = 1000

// UnmarshalJSON reads the creation; unknown fields are passed over, as in Consul.
func (s *SessionCreation) UnmarshalJSON(data []byte) error {
	aux := struct {
		LockDelay any
		*Session
	}{Session: &s.Session}
	if err := json.Unmarshal(data, &aux); err != nil {
		return err
	}
	var delay time.Duration
	switch given := aux.LockDelay.(type) {
	case nil:
		return nil
	case string:
		var err error
		if delay, err = time.ParseDuration(given); err != nil {
			return err
		}
	case float64:
		delay = time.Duration(given)
	}
	if delay < leastNanoseconds {
		delay *= time.Second //nolint:durationcheck // a small number is one of seconds, as in Consul
	}
	s.LockDelay = delay
	return nil
}

// SessionID is the answer of /v1/session/create.
type SessionID struct{ ID string }
