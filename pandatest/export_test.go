package pandatest

import "time"

// SetPatience sets how long a service may take to be found.
func (r *Registry) SetPatience(d time.Duration) { r.patience = d }

// NewLogger returns the logger that services get.
var NewLogger = newLogger
