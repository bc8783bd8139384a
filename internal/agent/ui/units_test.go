package ui

import "testing"

func TestSizes(t *testing.T) {
	for n, want := range map[int][2]string{
		0: {"0 bytes", "0 字节"}, 1: {"1 byte", "1 字节"}, 1023: {"1023 bytes", "1023 字节"}, 1024: {"1 KiB", "1 KiB"}, 1536: {"1.5 KiB", "1.5 KiB"},
		524288: {"512 KiB", "512 KiB"}, 524287: {"512 KiB", "512 KiB"}, 3 << 20: {"3 MiB", "3 MiB"},
	} {
		for i, l := range languages {
			if got, err := loadTexts(l).size(n); got != want[i] || err != nil {
				t.Errorf("%d in %s: %q %v, want %q", n, l, got, err, want[i])
			}
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string][3]string{
		"10s": {"10 s", "10 秒", "PT10S"}, "90s": {"1 min 30 s", "1 分钟 30 秒", "PT90S"}, "2h": {"2 h", "2 小时", "PT7200S"}, "1.5s": {"1.5 s", "1.5 秒", "PT1.5S"},
		"500ms": {"500 ms", "500 毫秒", "PT0.5S"}, "0s": {"0 s", "0 秒", "PT0S"}, "25h0m1s": {"25 h 1 s", "25 小时 1 秒", "PT90001S"},
		"often": {"often", "often", ""}, "-1s": {"-1s", "-1s", ""}, "": {"", "", ""},
	} {
		for i, l := range languages {
			if got, err := loadTexts(l).duration(text); got != want[i] || err != nil {
				t.Errorf("%q in %s: %q %v, want %q", text, l, got, err, want[i])
			}
		}
		if got := isoDuration(text); got != want[2] {
			t.Errorf("%q: datetime %q, want %q", text, got, want[2])
		}
	}
}

func TestRewritten(t *testing.T) {
	for key, want := range map[string]bool{
		"a": false, "a/b": false, "a/": false, "...": false, "a/.b": false, "a/..b/c": false, "%2F": false, "中/文": false, "a b?c#d": false,
		"/": true, "/lead": true, "ui//dd": true, "a//": true, ".": true, "..": true, "a/.": true, "a/../b": true, "./a": true, "a/./": true,
	} {
		if got := rewritten(key); got != want {
			t.Errorf("%q: %v", key, got)
		}
	}
}
