package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/store/rowjson"
)

// state.bin is, in MessagePack, a map with the index, then for each row a byte for its kind and a map of its table, its
// key (of the KV store only) and itself in JSON. Only what is written here is read: strings have 32 bits of length.
const (
	mapOfOne   = 0x81
	mapOfThree = 0x83
	shortText  = 0xa0 // plus the length
	longText   = 0xdb
	number     = 0xcf

	indexField = "LastIndex" // as in Consul's
)

// kind is what Consul's tools show a row as.
func kind(table string) byte {
	const register, keys, sessions, ignored = 0, 2, 3, 128
	switch table {
	case "nodes", "services", "checks":
		return register
	case "kv":
		return keys
	case "sessions":
		return sessions
	}
	return ignored
}

func writeState(w io.Writer, view catalog.View) error {
	b := field([]byte{mapOfOne}, indexField)
	b = binary.BigEndian.AppendUint64(append(b, number), view.Index())
	if _, err := w.Write(b); err != nil {
		return err
	}
	for _, table := range catalog.Tables() {
		for row := range view.Rows(table) {
			data, err := rowjson.Marshal(row)
			if err != nil {
				return fmt.Errorf("encode a row of table %q: %w", table, err)
			}
			b = append(b[:0], kind(table), mapOfThree)
			b = text(field(b, "Table"), table)
			b = text(field(b, "Key"), key(row))
			b = text(field(b, "Row"), string(data))
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// key returns the field Key of a row that has one.
func key(row any) string {
	if f := reflect.Indirect(reflect.ValueOf(row)).FieldByName("Key"); f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

func field(b []byte, name string) []byte {
	return append(append(b, shortText+byte(len(name))), name...) //nolint:gosec // names of this file
}

func text(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(append(b, longText), uint32(len(s))) //nolint:gosec // a row has less than 4 GiB
	return append(b, s...)
}

func readState(data []byte) (*State, error) {
	p := &parser{rest: data}
	p.expect(string(field([]byte{mapOfOne}, indexField)) + string([]byte{number}))
	state := &State{Index: p.number(), Rows: map[string][]any{}}
	if state.Index > math.MaxInt64 {
		return nil, fmt.Errorf("state.bin: index %d is out of range", state.Index)
	}
	for p.err == nil && len(p.rest) > 0 {
		p.take(1) // the kind follows from the table
		p.expect(string([]byte{mapOfThree}))
		table := p.text("Table")
		p.text("Key")
		data := p.text("Row")
		if p.err != nil {
			break
		}
		row := catalog.NewRow(string(table))
		if row == nil {
			return nil, fmt.Errorf("state.bin: a row of table %q, which this panda does not know: a newer one wrote it", table)
		}
		if err := rowjson.Unmarshal(data, row); err != nil {
			return nil, fmt.Errorf("state.bin: a row of table %q: %w", table, err)
		}
		state.Rows[string(table)] = append(state.Rows[string(table)], row)
	}
	if p.err != nil {
		return nil, fmt.Errorf("state.bin: %w", p.err)
	}
	return state, nil
}

// parser takes bytes from the front of rest. After an error it returns zero values.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) take(n int) []byte {
	if p.err == nil && n > len(p.rest) {
		p.err = io.ErrUnexpectedEOF
	}
	if p.err != nil {
		return nil
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *parser) expect(want string) {
	if got := p.take(len(want)); p.err == nil && string(got) != want {
		p.err = errors.New("not in the form that panda writes")
	}
}

func (p *parser) number() uint64 {
	if b := p.take(8); p.err == nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (p *parser) text(name string) []byte {
	p.expect(string(field(nil, name)) + string([]byte{longText}))
	b := p.take(4)
	if p.err != nil {
		return nil
	}
	return p.take(int(binary.BigEndian.Uint32(b)))
}
