package processid_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/pandakit/panda/internal/processid"
)

func TestAlive(t *testing.T) {
	own := processid.Of(os.Getpid())
	later := own
	later.Started += " another"
	if !own.Alive() || later.Alive() || processid.Of(-1).Alive() || (processid.ID{}).Alive() {
		t.Errorf("%+v is not alive, or another with its number is, or none", own)
	}
	text, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	var kept processid.ID
	if err := json.Unmarshal(text, &kept); err != nil || !kept.Alive() {
		t.Errorf("%s: %+v, %v", text, kept, err)
	}
}
