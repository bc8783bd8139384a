package consulwire

// UserEvent is an event that a program fired.
type UserEvent struct {
	ID            string // a UUID
	Name          string
	Payload       []byte
	NodeFilter    string // a regular expression, as the other filters are
	ServiceFilter string
	TagFilter     string
	Version       int
	LTime         uint64 // rises from event to event
}
