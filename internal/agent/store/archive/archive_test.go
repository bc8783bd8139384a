package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func saved(t testing.TB) ([]byte, catalog.View) {
	t.Helper()
	c := catalog.New(41)
	if err := c.Write(func(w *catalog.Writer) error {
		return errors.Join(
			w.SetNode(&consulwire.Node{Node: "n\xff1", Meta: map[string]string{"a": "b"}}),
			w.SetInstance(&catalog.Instance{Node: "n\xff1", NodeService: consulwire.NodeService{ID: "web", Service: "web", Tags: []string{"t"}}}),
			w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{Node: "n\xff1", CheckID: "c", ServiceID: "web", Status: "passing"}}),
		)
	}); err != nil {
		t.Fatal(err)
	}
	return packed(t, c.View()), c.View()
}

func packed(t testing.TB, view catalog.View) []byte {
	t.Helper()
	a, err := New(view, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := a.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	data, view := saved(t)
	state, err := Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if state.Index != 42 {
		t.Errorf("index %d", state.Index)
	}
	for _, table := range catalog.Tables() {
		var want []any
		for row := range view.Rows(table) {
			want = append(want, row)
		}
		if !reflect.DeepEqual(state.Rows[table], want) {
			t.Errorf("%s: %+v, want %+v", table, state.Rows[table], want)
		}
	}
}

// TestDamage cuts an archive off at every byte and changes every byte: what goes unnoticed changes nothing of what is read,
// as bits do that gzip does not use, or that find the same zeros elsewhere.
func TestDamage(t *testing.T) {
	data, _ := saved(t)
	want, err := Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	unnoticed := 0
	for at := range data {
		if _, err := Read(bytes.NewReader(data[:at])); err == nil {
			t.Fatalf("cut off at %d of %d: nothing is said", at, len(data))
		}
		bad := bytes.Clone(data)
		bad[at] ^= 0x10
		state, err := Read(bytes.NewReader(bad))
		if err != nil {
			continue
		}
		unnoticed++
		if !reflect.DeepEqual(state, want) {
			t.Fatalf("byte %d of %d changed: nothing is said, and another state is read", at, len(data))
		}
	}
	if most := len(data) / 20; unnoticed > most { // the header's ten bytes are a part of them
		t.Errorf("%d of %d changes went unnoticed, want at most %d", unnoticed, len(data), most)
	}
}

// pack makes an archive of files, with the right sums unless there are some among them.
func pack(t testing.TB, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	sums := ""
	for _, f := range files {
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(f[1])), f[0])
	}
	for _, f := range append(files, [2]string{sumsName, sums}) {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Size: int64(len(f[1])), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestForeignArchives(t *testing.T) {
	const ours = `{"Version":1,"Panda":1}`
	header := string(field([]byte{mapOfOne}, indexField)) + string([]byte{number, 0, 0, 0, 0, 0, 0, 0, 9})
	row := func(table, data string) string {
		return string(text(field(text(field(text(field([]byte{0, mapOfThree}, "Table"), table), "Key"), ""), "Row"), data))
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"Consul's":     {pack(t, [2]string{metaName, `{"Version":1,"ID":"2-15-1","Index":15,"Term":2}`}, [2]string{stateName, "\x81"}), "a snapshot of Consul itself"},
		"newer":        {pack(t, [2]string{metaName, `{"Panda":3}`}, [2]string{stateName, header}), "written by a newer panda"},
		"other file":   {pack(t, [2]string{"../../etc/passwd", ""}), "unexpected file"},
		"twice":        {pack(t, [2]string{metaName, ours}, [2]string{metaName, ours}), "twice"},
		"no state":     {pack(t, [2]string{metaName, ours}), `file missing for "state.bin"`},
		"no meta":      {pack(t, [2]string{stateName, header}), `file missing for "meta.json"`},
		"large meta":   {pack(t, [2]string{metaName, strings.Repeat(" ", largestMeta+1)}), "larger than"},
		"no index":     {pack(t, [2]string{metaName, ours}, [2]string{stateName, "xyz"}), "unexpected EOF"},
		"other state":  {pack(t, [2]string{metaName, ours}, [2]string{stateName, strings.Repeat("x", 99)}), "not in the form"},
		"large index":  {pack(t, [2]string{metaName, ours}, [2]string{stateName, strings.ReplaceAll(header, "\x00", "\xff")}), "out of range"},
		"other table":  {pack(t, [2]string{metaName, ours}, [2]string{stateName, header + row("acl", "{}")}), `table "acl"`},
		"not JSON":     {pack(t, [2]string{metaName, ours}, [2]string{stateName, header + row("nodes", "{")}), "row of table"},
		"cut off":      {pack(t, [2]string{metaName, ours}, [2]string{stateName, header + row("nodes", "{}")[:20]}), "unexpected EOF"},
		"meta no JSON": {pack(t, [2]string{metaName, "{"}, [2]string{stateName, header}), "read meta.json"},
	} {
		if state, err := Read(bytes.NewReader(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %q", name, state, err, c.want)
		}
	}
}

// TestReadsFormat1 holds that archives of earlier versions can be restored.
func TestReadsFormat1(t *testing.T) {
	state := string(field([]byte{mapOfOne}, indexField)) + string([]byte{number, 0, 0, 0, 0, 0, 0, 0, 9}) +
		string(text(field(text(field(text(field([]byte{0, mapOfThree}, "Table"), "nodes"), "Key"), ""), "Row"), `{"Node":"old"}`))
	got, err := Read(bytes.NewReader(pack(t, [2]string{metaName, `{"Version":1,"Panda":1}`}, [2]string{stateName, state})))
	if err != nil || got.Index != 9 || len(got.Rows["nodes"]) != 1 || got.Rows["nodes"][0].(*consulwire.Node).Node != "old" {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzState holds that no state.bin does harm, and that what is read can be written to a catalog or is refused by it.
func FuzzState(f *testing.F) {
	var b bytes.Buffer
	_, view := saved(f)
	if err := writeState(&b, view); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:40])
	f.Fuzz(func(t *testing.T, data []byte) {
		format := 1 + len(data)%2
		state, err := readState(data, format)
		if err != nil {
			return
		}
		c := catalog.New(1)
		if c.Write(func(w *catalog.Writer) error { return w.Replace(state.Rows, state.Index) }) != nil {
			return
		}
		if _, err := Read(bytes.NewReader(packed(t, c.View()))); err != nil {
			t.Fatal(err)
		}
	})
}
