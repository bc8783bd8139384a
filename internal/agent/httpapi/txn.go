package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) txnEndpoints() []endpoint {
	return []endpoint{{http.MethodPut, "/v1/txn", h.txn}}
}

// Bounds of a transaction: of its body in bytes, and of its operations.
const (
	maxTxn     = maxValue
	maxTxnLink = "https://www.consul.io/docs/agent/config/config-files#txn_max_req_len"
	maxTxnOps  = 64
)

// txn makes all of the operations or none. Operations that only read are answered from a view, with what Consul
// tells of a read.
func (h *Handler) txn(w http.ResponseWriter, r *http.Request) (any, error) {
	ops, err := readTxn(w, r)
	if err != nil {
		return nil, err
	}
	if !writes(ops) {
		if query := r.URL.Query(); query.Has("stale") && query.Has("consistent") {
			return nil, &statusError{http.StatusBadRequest, "Cannot specify ?stale with ?consistent, conflicting semantics."}
		}
		answer := h.readOnly(ops)
		w.Header().Set("X-Consul-KnownLeader", strconv.FormatBool(answer.KnownLeader))
		w.Header().Set("X-Consul-LastContact", "0")
		return conflicting(answer, &answer.TxnAnswer), nil
	}
	outcome, err := h.apply(ops)
	if err != nil {
		return nil, err
	}
	return conflicting(outcome, outcome), nil
}

// conflicting answers 409 when an operation failed.
func conflicting(answer any, outcome *consulwire.TxnAnswer) any {
	if outcome.Errors == nil {
		return answer
	}
	return &codedAnswer{http.StatusConflict, answer}
}

// readTxn reads the operations. Those that say nothing are left out, and not counted in OpIndex, as in Consul.
func readTxn(w http.ResponseWriter, r *http.Request) (ops consulwire.TxnOps, err error) {
	data, err := body(w, r, maxTxn, maxTxnLink)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var all consulwire.TxnOps
	if err := decoder.Decode(&all); err != nil {
		return nil, badRequest("Failed to parse body: %v", err)
	}
	if len(all) > maxTxnOps {
		return nil, tooLarge("Transaction contains too many operations (%d > %d)", len(all), maxTxnOps)
	}
	for _, op := range all {
		if op != nil && *op != (consulwire.TxnOp{}) {
			ops = append(ops, op)
		}
	}
	return ops, nil
}

// writes reports whether an operation changes something.
func writes(ops consulwire.TxnOps) bool {
	return slices.ContainsFunc(ops, func(op *consulwire.TxnOp) bool {
		if op.KV == nil {
			return verbOf(op) != "get"
		}
		switch op.KV.Verb {
		case "set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree":
			return true
		}
		return false
	})
}

func verbOf(op *consulwire.TxnOp) string {
	switch {
	case op.KV != nil:
		return op.KV.Verb
	case op.Node != nil:
		return op.Node.Verb
	case op.Service != nil:
		return op.Service.Verb
	}
	return op.Check.Verb
}

// readOnly runs operations that only read. An answer that was not read from the state knows of no leader, as in Consul.
func (h *Handler) readOnly(ops consulwire.TxnOps) *consulwire.TxnReadAnswer {
	answer := &consulwire.TxnReadAnswer{}
	if each(ops, &answer.TxnAnswer, precheck(nil)); answer.Errors == nil {
		each(ops, &answer.TxnAnswer, txnReader{h.cfg.Catalog.View()}.run)
		answer.Index, answer.KnownLeader = 1, true
	}
	return answer
}

// errTxn undoes the write of a transaction that failed.
var errTxn = errors.New("an operation failed")

// apply runs operations in one write.
func (h *Handler) apply(ops consulwire.TxnOps) (*consulwire.TxnAnswer, error) {
	outcome := &consulwire.TxnAnswer{}
	err := h.cfg.Catalog.Write(func(w *catalog.Writer) error {
		each(ops, outcome, precheck(w))
		if outcome.Errors == nil {
			each(ops, outcome, (&txnWriter{txnReader{w.View}, w, h.cfg.Node, h.cfg.Datacenter}).run)
		}
		if outcome.Errors != nil {
			return errTxn
		}
		return nil
	})
	if err != nil && !errors.Is(err, errTxn) {
		return nil, &statusError{http.StatusInternalServerError, fmt.Sprintf("raft apply failed: %v", err)}
	}
	return outcome, nil
}

// txnRun runs one operation.
type txnRun func(*consulwire.TxnOp) ([]*consulwire.TxnResult, error)

// each runs every operation, also after one that failed, and collects either all results or all errors.
func each(ops consulwire.TxnOps, outcome *consulwire.TxnAnswer, run txnRun) {
	outcome.Results = []*consulwire.TxnResult{}
	for n, op := range ops {
		results, err := run(op)
		outcome.Results = append(outcome.Results, results...)
		if err != nil {
			outcome.Errors = append(outcome.Errors, &consulwire.TxnError{OpIndex: n, What: stateText(err)})
		}
	}
	if outcome.Errors != nil {
		outcome.Results = nil
	}
}
