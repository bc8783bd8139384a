package history

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("PANDA_HISTORY_TEST_WRITER"); path != "" {
		for i := range 200 {
			if err := (File{path}).Add(Entry{Service: os.Getenv("PANDA_HISTORY_TEST_NAME"), Method: "M", Data: fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("x", 8000))}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func open(t *testing.T) File {
	t.Helper()
	return Open("linux", env(map[string]string{"XDG_STATE_HOME": t.TempDir()}))
}

func entries(t *testing.T, f File) []Entry {
	t.Helper()
	list, err := f.Entries()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWhereTheFileIs(t *testing.T) {
	home := t.TempDir()
	for _, test := range []struct {
		goos string
		env  map[string]string
		want string
	}{
		{"linux", map[string]string{"HOME": home}, filepath.Join(home, ".local", "state", "panda", "calls.jsonl")},
		{"linux", map[string]string{"HOME": "/nowhere", "XDG_STATE_HOME": home}, filepath.Join(home, "panda", "calls.jsonl")},
		{"darwin", map[string]string{"HOME": home}, filepath.Join(home, "Library", "Application Support", "panda", "calls.jsonl")},
		{"windows", map[string]string{"LOCALAPPDATA": home}, filepath.Join(home, "panda", "calls.jsonl")},
		{"linux", map[string]string{"HOME": home, "PANDA_HISTORY": "OFF"}, ""},
		{"linux", map[string]string{"HOME": home, "PANDA_HISTORY": "0"}, ""},
		{"linux", map[string]string{"HOME": filepath.Join(home, "missing")}, ""},
		{"linux", map[string]string{"XDG_STATE_HOME": "relative"}, ""},
		{"linux", nil, ""},
	} {
		if got := Open(test.goos, env(test.env)).Path(); got != test.want {
			t.Errorf("%s %v: got %q, want %q", test.goos, test.env, got, test.want)
		}
	}
	var none File
	if err := none.Add(Entry{Service: "a", Method: "b"}); err != nil || len(entries(t, none)) != 0 {
		t.Errorf("a history that is off: %v", err)
	}
}

func TestEntriesComeBack(t *testing.T) {
	f := open(t)
	if len(entries(t, f)) != 0 {
		t.Error("a new history has entries")
	}
	want := Entry{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Service: "hello", Method: "SayHello", Data: `{"name":"熊猫"}`,
		Flags: map[string]string{"deadline": "2s"}, Metadata: []string{"x=1"},
	}
	if err := f.Add(want); err != nil {
		t.Fatal(err)
	}
	got := entries(t, f)
	if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	info, err := os.Stat(f.Path())
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(f.Path(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.Add(want); err != nil {
		t.Fatal(err)
	}
	if info, err = os.Stat(f.Path()); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

func TestCredentialsAreNotKept(t *testing.T) {
	f := open(t)
	secret := "s3cr3t"
	err := f.Add(Entry{Service: "a", Method: "b", Metadata: []string{
		"x-one=1", "author=panda", "Authorization=" + secret, "x-auth=" + secret, "X-Api-Key=" + secret, "set-cookie=" + secret, "grpc-token-bin=" + secret, "db_password=" + secret,
		"session-id=" + secret, "other=Bearer " + secret, "another=basic " + secret, "third=eyJhbGciOiJIUzI1NiJ9." + secret,
	}, Data: `{"author":"x","keyboard":{"compass":[1,"token"]}}`})
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{
		`{"password":"s3cr3t"}`, `{"user":{"accessToken":"s3cr3t"}}`, `[{"a":1},{"api_key":"s3cr3t"}]`, `{"a":"b","pin":1234,"s3cr3t":1}`, `{"a":1} {"secret":"s3cr3t"}`, `{"password":"s3cr3t"`,
	} {
		if err := f.Add(Entry{Service: "a", Method: "b", Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(f.Path())
	if err != nil || strings.Contains(string(raw), secret) {
		t.Errorf("the file has a credential: %v\n%s", err, raw)
	}
	got := entries(t, f)
	if !slices.Equal(got[0].Metadata, []string{"x-one=1", "author=panda"}) || len(got[0].Withheld) != 10 || got[0].Data == "" {
		t.Errorf("got %+v", got[0])
	}
	for _, e := range got[1:] {
		if e.Data != "" || e.Omitted == "" {
			t.Errorf("got %+v", e)
		}
	}
}

func TestTheFileIsBounded(t *testing.T) {
	f := open(t)
	for i := range 400 {
		if err := f.Add(Entry{Service: "a", Method: "b", Data: fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("x", 5000))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Add(Entry{Service: "a", Method: "b", Data: `"` + strings.Repeat("x", 1<<20) + `"`}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(f.Path())
	if err != nil || info.Size() > maxFile+2*maxEntry {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	got := entries(t, f)
	last := got[len(got)-1]
	if len(got) > MostEntries || len(got) < 20 || last.Data != "" || last.Omitted != tooLarge || !strings.Contains(got[len(got)-2].Data, `"n":399`) {
		t.Errorf("got %d entries, the last %+v", len(got), last)
	}
	if files, err := os.ReadDir(filepath.Dir(f.Path())); err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

func TestDamagedLinesAreLeftOut(t *testing.T) {
	f := open(t)
	if err := f.Add(Entry{Service: "a", Method: "b"}); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(f.Path(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("\x00\n[]\n{}\n{\"service\":\"torn\",\"meth"); err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := f.Add(Entry{Service: "c", Method: "d"}); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, f); len(got) != 2 || got[0].Service != "a" || got[1].Service != "c" {
		t.Errorf("got %+v", got)
	}
}

// Processes that write at the same time, and shrink the file, damage nothing.
func TestManyProcessesWrite(t *testing.T) {
	f := open(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(f.Path()), 0o700); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			cmd := exec.CommandContext(t.Context(), program)
			cmd.Env = append(os.Environ(), "PANDA_HISTORY_TEST_WRITER="+f.Path(), fmt.Sprintf("PANDA_HISTORY_TEST_NAME=writer%d", i))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	writers.Wait()
	raw, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(raw)) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	list, err := read(strings.NewReader(string(raw)))
	if err != nil || len(list) != min(lines, MostEntries) || lines < 20 {
		t.Errorf("%d lines have %d entries, %v", lines, len(list), err)
	}
}

// FuzzSecretField never panics, and finds a key wherever it stands in what is JSON.
func FuzzSecretField(f *testing.F) {
	for _, seed := range []string{`{"a":[{"password":1}]}`, `]`, `{"a":}`, `"token"`, `{"a":{"b":[}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hasSecretField(text)
		if !hasSecretField(`{"a":` + fmt.Sprintf("%q", strings.ToValidUTF8(strings.Map(printable, text), "")) + `,"b":[{"password":1}]}`) {
			t.Errorf("behind %q the password is not found", text)
		}
	})
}

// printable keeps what Go and JSON quote alike.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}
