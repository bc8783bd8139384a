package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// autopilotClass is the class of the one document that says how servers are to be looked after. It is kept and told: a
// server of one has nobody to look after.
const (
	autopilotClass = "autopilot"
	autopilotName  = "configuration"
)

func (h *Handler) autopilotConfiguration(_ http.ResponseWriter, r *http.Request) (any, error) {
	if r.Method == http.MethodGet {
		return h.autopilotNow(h.cfg.Catalog.View())
	}
	wanted := autopilotDefaults()
	if err := decodeAs(r, wanted, "Error parsing autopilot config"); err != nil {
		return nil, err
	}
	index, cas, err := casIndex(r)
	if err != nil {
		return nil, badRequest("Error parsing cas value: %v", err)
	}
	wanted.CreateIndex, wanted.ModifyIndex = 0, 0 // the document has them
	content, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	set := true
	err = h.cfg.Catalog.Write(func(w *catalog.Writer) error {
		now, err := h.autopilotNow(w.View)
		if err != nil {
			return err
		}
		if cas && now.ModifyIndex != index {
			set = false
			return nil
		}
		return w.SetDocument(autopilotClass, autopilotName, content)
	})
	return set, failure(err)
}

// casIndex reads ?cas of those endpoints that take it for given also where it is empty.
func casIndex(r *http.Request) (index uint64, given bool, err error) {
	query := r.URL.Query()
	if !query.Has("cas") {
		return 0, false, nil
	}
	index, err = strconv.ParseUint(query.Get("cas"), 10, 64)
	return index, true, err
}

// autopilotNow returns what was set last, or Consul's defaults.
func (h *Handler) autopilotNow(v catalog.View) (*consulwire.AutopilotConfiguration, error) {
	document := v.Document(autopilotClass, autopilotName)
	if document == nil {
		untouched := autopilotDefaults()
		untouched.CreateIndex = v.Node(h.cfg.Node).CreateIndex
		untouched.ModifyIndex = untouched.CreateIndex
		return untouched, nil
	}
	var set consulwire.AutopilotConfiguration
	if err := json.Unmarshal(document.Content, &set); err != nil {
		return nil, err
	}
	set.CreateIndex, set.ModifyIndex = document.CreateIndex, document.ModifyIndex
	return &set, nil
}

func autopilotDefaults() *consulwire.AutopilotConfiguration {
	return &consulwire.AutopilotConfiguration{
		CleanupDeadServers: true, LastContactThreshold: consulwire.Duration(200 * time.Millisecond), MaxTrailingLogs: 250,
		ServerStabilizationTime: consulwire.Duration(10 * time.Second),
	}
}
