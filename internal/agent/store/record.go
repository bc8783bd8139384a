package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/store/rowjson"
)

// record is the payload of a record, in JSON: one write in a journal, a share of the rows in a snapshot, whose last
// record has End and the number of all rows.
type record struct {
	Index   uint64
	Changes []change
	End     bool
	Rows    int
}

type change struct {
	Table   string
	Removed bool
	Row     json.RawMessage
}

// payload is the payload of a record while it is made.
type payload struct {
	bytes   []byte
	changes int
}

func newPayload(index uint64) *payload {
	b := append(make([]byte, 0, 512), `{"Index":`...)
	return &payload{bytes: append(strconv.AppendUint(b, index, 10), `,"Changes":[`...)}
}

func (p *payload) add(c catalog.Change) error {
	b := p.bytes
	if p.changes++; p.changes > 1 {
		b = append(b, ',')
	}
	b = strconv.AppendQuote(append(b, `{"Table":`...), c.Table)
	if c.Removed {
		b = append(b, `,"Removed":true`...)
	}
	if c.Row != nil {
		row, err := rowjson.Marshal(c.Row)
		if err != nil {
			return fmt.Errorf("encode a row of table %q: %w", c.Table, err)
		}
		b = append(append(b, `,"Row":`...), row...)
	}
	b = append(b, '}')
	p.bytes = b
	return nil
}

func (p *payload) end() []byte { return append(p.bytes, `]}`...) }

// encode returns the payload of a record of one write.
func encode(index uint64, changes []catalog.Change) ([]byte, error) {
	p := newPayload(index)
	for _, c := range changes {
		if err := p.add(c); err != nil {
			return nil, err
		}
	}
	b := p.end()
	if len(b) > largest {
		return nil, fmt.Errorf("a write of %d bytes is larger than the %d that the journal takes at once", len(b), largest)
	}
	return b, nil
}

// decode reads a payload.
func decode(payload []byte) (*record, []catalog.Change, error) {
	var r record
	if err := json.Unmarshal(payload, &r); err != nil {
		return nil, nil, err
	}
	changes := make([]catalog.Change, len(r.Changes))
	for n, c := range r.Changes {
		changes[n] = catalog.Change{Table: c.Table, Removed: c.Removed}
		if len(c.Row) == 0 && c.Removed {
			continue
		}
		row := catalog.NewRow(c.Table)
		if row == nil {
			return nil, nil, fmt.Errorf("it has a row of table %q, which this panda does not know: start the agent of the newer one that wrote it, or choose another folder for -data-dir", c.Table)
		}
		if len(c.Row) == 0 {
			return nil, nil, errors.New("a row is missing")
		}
		if err := rowjson.Unmarshal(c.Row, row); err != nil {
			return nil, nil, fmt.Errorf("row of table %q: %w", c.Table, err)
		}
		changes[n].Row = row
	}
	return &r, changes, nil
}
