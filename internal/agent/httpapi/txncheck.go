package httpapi

import (
	"encoding/json"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func (t txnReader) check(op *consulwire.TxnCheck) ([]*consulwire.TxnResult, error) {
	if op.Verb != "get" {
		return nil, opError("unknown Check verb %q", op.Verb)
	}
	check := t.Check(op.Check.Node, op.Check.CheckID)
	if check == nil {
		return nil, opError("check %q on node %q doesn't exist", op.Check.CheckID, op.Check.Node)
	}
	return checkResult(check), nil
}

func checkResult(c *catalog.Check) []*consulwire.TxnResult {
	told := c.HealthCheck
	if len(told.ServiceTags) == 0 {
		told.ServiceTags = nil
	}
	return []*consulwire.TxnResult{{Check: &told}}
}

func (t *txnWriter) writeCheck(op *consulwire.TxnCheck) ([]*consulwire.TxnResult, error) {
	given, index := &op.Check, uint64(0)
	existing := t.Check(given.Node, given.CheckID)
	if existing != nil {
		index = existing.ModifyIndex
	}
	kept := t.isOwn(given.Node) && existing != nil && (given.CheckID == consulwire.SerfHealth || existing.Local)
	switch op.Verb {
	case "set", "cas":
		if op.Verb == "cas" && stale(given.ModifyIndex, index) {
			return nil, opError("failed to set check %q on node %q, index is stale", given.CheckID, given.Node)
		}
		if kept {
			return checkResult(existing), nil
		}
		check, err := checkOf(given)
		if err != nil {
			return nil, err
		}
		if err := t.w.SetCheck(check); err != nil {
			return nil, err
		}
		return checkResult(t.Check(given.Node, given.CheckID)), nil
	case "delete", "delete-cas":
		if op.Verb == "delete-cas" && (existing == nil || stale(given.ModifyIndex, index)) {
			return nil, opError("failed to delete check %q on node %q, index is stale", given.CheckID, given.Node)
		}
		if !kept {
			t.w.DeleteCheck(given.Node, given.CheckID)
		}
		return nil, nil
	}
	return t.check(op)
}

func checkOf(given *consulwire.TxnCheckFields) (*catalog.Check, error) {
	status := given.Status
	if status == "" {
		status = consulwire.Critical
	}
	check := &catalog.Check{HealthCheck: consulwire.HealthCheck{
		Node: given.Node, CheckID: given.CheckID, Name: given.Name, Status: status, Notes: given.Notes,
		Output: given.Output, ServiceID: given.ServiceID,
	}}
	if len(given.Definition) > 0 {
		if err := json.Unmarshal(given.Definition, &check.Definition); err != nil {
			return nil, opError("read the check's definition: %v", err)
		}
	}
	return check, nil
}
