package uuid_test

import (
	"regexp"
	"testing"

	"github.com/pandakit/panda/internal/agent/uuid"
)

func TestNew(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 100 {
		id := uuid.New()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%s: not a random UUID, or not a new one", id)
		}
		seen[id] = true
	}
}
