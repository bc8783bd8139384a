package child

import "testing"

func TestParseMemory(t *testing.T) {
	tests := []struct {
		name, statm       string
		resident, private uint64
	}{
		{"linux", "5000 300 200 50 0 400 0\n", 300 * 4096, 100 * 4096},
		{"cut", "5000 300", 0, 0},
		{"empty", "", 0, 0},
		{"no number", "5000 many 200", 0, 0},
		{"more shared than there is", "5000 300 301", 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resident, private := parseMemory(test.statm, 4096)
			if resident != test.resident || private != test.private {
				t.Errorf("parseMemory(%q) = %d, %d; want %d, %d", test.statm, resident, private, test.resident, test.private)
			}
		})
	}
}
