package dnsapi

import "testing"

// TestShuffleYieldsEachOnce also for numbers around that at which the way of drawing changes.
func TestShuffleYieldsEachOnce(t *testing.T) {
	for _, count := range []int{0, 1, 2, fewTaken - 1, fewTaken, fewTaken + 1, 5 * fewTaken} {
		entries := make([]*entry, count)
		for n := range entries {
			entries[n] = new(entry)
		}
		seen := map[*entry]bool{}
		for e := range shuffled(entries) {
			if seen[e] {
				t.Fatalf("of %d: one comes twice", count)
			}
			seen[e] = true
		}
		if len(seen) != count {
			t.Errorf("%d of %d", len(seen), count)
		}
	}
}

// TestShuffleIsEven draws the first and the last of some until each has been both.
func TestShuffleIsEven(t *testing.T) {
	const count, most = fewTaken + 6, 100_000 // that one is missing by chance: never
	entries := make([]*entry, count)
	for n := range entries {
		entries[n] = new(entry)
	}
	first, last := map[*entry]bool{}, map[*entry]bool{}
	for range most {
		var order []*entry
		for e := range shuffled(entries) {
			order = append(order, e)
		}
		first[order[0]], last[order[count-1]] = true, true
		if len(first) == count && len(last) == count {
			return
		}
	}
	t.Errorf("%d have been first and %d last, of %d", len(first), len(last), count)
}
