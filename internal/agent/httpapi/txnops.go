package httpapi

import (
	"fmt"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// txnError is why an operation cannot be, in Consul's words: what a client reads and may depend on.
type txnError string

func (e txnError) Error() string { return string(e) }

func opError(format string, args ...any) error { return txnError(fmt.Sprintf(format, args...)) }

// precheck refuses operations before any is run. w may be nil when none of them writes.
func precheck(w *catalog.Writer) txnRun {
	return func(op *consulwire.TxnOp) ([]*consulwire.TxnResult, error) {
		switch {
		case op.KV != nil:
			return nil, precheckKV(w, op.KV)
		case op.Node != nil && op.Node.Verb != "get":
			return nil, precheckNode(op.Node)
		case op.Service != nil && op.Service.Verb != "get":
			return nil, precheckService(&op.Service.Service)
		case op.Check != nil && op.Check.Verb != "get" && op.Check.Check.CheckID == "":
			op.Check.Check.CheckID = op.Check.Check.Name
		}
		return nil, nil
	}
}

func precheckKV(w *catalog.Writer, op *consulwire.TxnKV) error {
	if op.Key == "" && op.Verb != "delete-tree" {
		return opError("Must provide key")
	}
	if op.Verb == "lock" && w.LockDelayed(op.Key) {
		return opError("failed to lock key %q due to lock delay", op.Key)
	}
	return nil
}

// txnReader runs operations that read.
type txnReader struct{ catalog.View }

func (t txnReader) run(op *consulwire.TxnOp) ([]*consulwire.TxnResult, error) {
	switch {
	case op.KV != nil:
		return t.kv(op.KV)
	case op.Node != nil:
		return t.node(op.Node)
	case op.Service != nil:
		return t.service(op.Service)
	}
	return t.check(op.Check)
}

func (t txnReader) kv(op *consulwire.TxnKV) ([]*consulwire.TxnResult, error) {
	pair := t.Key(op.Key)
	switch op.Verb {
	case "get":
		if pair == nil {
			return nil, opError("key %q doesn't exist", op.Key)
		}
		return []*consulwire.TxnResult{{KV: &pair.KVPair}}, nil
	case "get-tree":
		var results []*consulwire.TxnResult
		for p := range t.Keys(op.Key) {
			results = append(results, &consulwire.TxnResult{KV: &p.KVPair})
		}
		return results, nil
	case "check-session", "check-index":
		return checkPair(op, pair)
	case "check-not-exists":
		if pair != nil {
			return nil, opError("key %q exists", op.Key)
		}
		return nil, nil
	}
	return nil, opError("unknown KV verb %q", op.Verb)
}

func checkPair(op *consulwire.TxnKV, pair *catalog.Pair) ([]*consulwire.TxnResult, error) {
	switch what := op.Verb[len("check-"):]; {
	case pair == nil:
		return nil, opError("failed to check %s, key %q doesn't exist", what, op.Key)
	case what == "session" && pair.Session != op.Session:
		return nil, opError("failed session check for key %q, current session %q != %q", op.Key, pair.Session, op.Session)
	case what == "index" && pair.ModifyIndex != op.Index:
		return nil, opError("failed index check for key %q, current modify index %d != %d", op.Key, pair.ModifyIndex, op.Index)
	}
	return withoutValue(pair), nil
}

// withoutValue is the result of every operation on a key but those that get it.
func withoutValue(pair *catalog.Pair) []*consulwire.TxnResult {
	told := pair.KVPair
	told.Value = nil
	return []*consulwire.TxnResult{{KV: &told}}
}

// txnWriter runs operations that read and write.
type txnWriter struct {
	txnReader
	w          *catalog.Writer
	own        string // the agent's node
	datacenter string
}

func (t *txnWriter) run(op *consulwire.TxnOp) ([]*consulwire.TxnResult, error) {
	switch {
	case verbOf(op) == "get":
		return t.txnReader.run(op)
	case op.KV != nil:
		return t.writeKV(op.KV)
	case op.Node != nil:
		return t.writeNode(op.Node)
	case op.Service != nil:
		return t.writeService(op.Service)
	}
	return t.writeCheck(op.Check)
}

func (t *txnWriter) writeKV(op *consulwire.TxnKV) ([]*consulwire.TxnResult, error) {
	given := &consulwire.KVPair{Key: op.Key, Value: op.Value, Flags: op.Flags, Session: op.Session}
	var pair *catalog.Pair
	var err error
	act := op.Verb
	switch op.Verb {
	case "set":
		pair, err = t.w.SetKey(given)
	case "cas":
		act = "set"
		pair, err = t.w.SetKeyIf(given, op.Index)
	case "lock":
		pair, err = t.w.LockKey(given)
	case "unlock":
		pair, err = t.w.UnlockKey(given)
	case "delete":
		t.w.DeleteKey(op.Key)
	case "delete-tree":
		t.w.DeleteTree(op.Key)
	case "delete-cas":
		act = "delete"
		err = t.w.DeleteKeyIf(op.Key, op.Index)
	default:
		return t.kv(op)
	}
	if refused(err) {
		return nil, opError("failed to %s key %q, %v", act, op.Key, err)
	}
	if pair == nil {
		return nil, err
	}
	return withoutValue(pair), nil
}

// stale reports whether an operation with the index must not change what has the other one, which is 0 when there
// is nothing. Without an index it may only add.
func stale(given, existing uint64) bool { return given != existing }
