package consulwire_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/consulwire"
)

// TestReadsTheClientsTransactions holds that no field that the Go client may send is unknown in a transaction.
func TestReadsTheClientsTransactions(t *testing.T) {
	sent := filled(reflect.TypeFor[api.TxnOp](), 0).Interface().(api.TxnOp)
	sent.KV.Index, sent.Node.Node.ModifyIndex, sent.Service.Service.Weights.Passing = 1, 1, 1
	sent.Service.Service.CreateIndex, sent.Service.Service.ModifyIndex = 1, 1
	written, err := json.Marshal(api.TxnOps{&sent})
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(written))
	decoder.DisallowUnknownFields()
	var ops consulwire.TxnOps
	if err := decoder.Decode(&ops); err != nil {
		t.Fatalf("read %s: %v", written, err)
	}
	op := ops[0]
	if op.KV.Key != "1s" || op.KV.Index != 1 || op.Node.Node.Node.Node != "1s" || op.Node.Node.ModifyIndex != 1 ||
		op.Service.Service.Service != "1s" || op.Service.Service.Weights.Passing != 1 || op.Check.Check.CheckID != "1s" || len(op.Check.Check.Definition) == 0 {
		t.Errorf("read %s as %+v", written, op)
	}
}

func TestReadsTheClientsSessions(t *testing.T) {
	written, err := json.Marshal(filled(reflect.TypeFor[api.SessionEntry](), 0).Interface())
	if err != nil {
		t.Fatal(err)
	}
	var s consulwire.SessionCreation
	if err := json.Unmarshal(written, &s); err != nil {
		t.Fatalf("read %s: %v", written, err)
	}
	if s.Name != "1s" || s.TTL != "1s" || len(s.NodeChecks) != 1 || len(s.ServiceChecks) != 1 || s.ServiceChecks[0].ID != "1s" {
		t.Errorf("read %s as %+v", written, s)
	}
}

func TestLockDelaysSpelling(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`"5s"`: 5 * time.Second, `5`: 5 * time.Second, `999`: 999 * time.Second, `1000`: 1000, `5000000000`: 5 * time.Second,
		`0`: 0, `-1`: -time.Second, `true`: 0, `null`: 15 * time.Second,
	} {
		s := consulwire.SessionCreation{Session: consulwire.Session{Name: "kept", LockDelay: 15 * time.Second}}
		if err := json.Unmarshal([]byte(`{"lockdelay":`+text+`,"TTL":"1m"}`), &s); err != nil || s.LockDelay != want || s.Name != "kept" || s.TTL != "1m" {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
	var s consulwire.SessionCreation
	if err := json.Unmarshal([]byte(`{"LockDelay":"soon"}`), &s); err == nil {
		t.Errorf("read %v", s.LockDelay)
	}
}
