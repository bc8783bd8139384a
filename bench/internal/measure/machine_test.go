package measure

import "testing"

func TestTotalMemory(t *testing.T) {
	tests := []struct {
		name, meminfo string
		want          uint64
	}{
		{"linux", "MemTotal:       16 kB\nMemFree:        8 kB\n", 16 << 10},
		{"not the first line", "Huge: 1 kB\nMemTotal: 2 kB\n", 2 << 10},
		{"absent", "MemFree: 8 kB\n", 0},
		{"no number", "MemTotal: many kB\n", 0},
		{"empty", "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := totalMemory(test.meminfo); got != test.want {
				t.Errorf("totalMemory = %d, want %d", got, test.want)
			}
		})
	}
}

func TestKernelVersion(t *testing.T) {
	for release, want := range map[string]string{"6.18.44-generic\n": "6.18.44", "6.1.0\n": "6.1.0"} {
		if got := kernelVersion(release); got != want {
			t.Errorf("kernelVersion(%q) = %q, want %q", release, got, want)
		}
	}
}
