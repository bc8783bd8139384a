package rowjson

import (
	"reflect"
	"testing"
)

type row struct {
	Key   string
	Tags  []string
	Meta  map[string]string
	Value []byte
	Inner *row
	N     uint64
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("plain", "a/b", []byte{0, 255})
	f.Add("\xff\xfe", "�", []byte(nil))
	f.Add("\U0010ff41", "\U0010ffff\xf4\x8f", []byte{})
	f.Add(`\ufffd`, "\xf4\x8f\xbc", []byte("x"))
	f.Fuzz(func(t *testing.T, key, other string, value []byte) {
		before := &row{Key: key, Tags: []string{other, ""}, Meta: map[string]string{key: other}, Value: value, Inner: &row{Key: other}, N: 1 << 63}
		data, err := Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		after := new(row)
		if err := Unmarshal(data, after); err != nil {
			t.Fatal(err)
		}
		if len(value) == 0 {
			before.Value, after.Value = nil, nil
		}
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%+v became %+v by %s", before, after, data)
		}
	})
}
