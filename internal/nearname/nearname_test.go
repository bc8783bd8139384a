package nearname_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/nearname"
)

func TestOf(t *testing.T) {
	t.Parallel()
	known := []string{"hello", "help", "payments", "payment-gateway", "web", "订单服务"}
	for _, test := range []struct {
		name string
		want []string
	}{
		{"hell", []string{"hello", "help"}},
		{"Hello", []string{"hello"}},
		{"hlelo", []string{"hello"}},
		{"payment", []string{"payments", "payment-gateway"}},
		{"订单服物", []string{"订单服务"}},
		{"zzzzzz", nil},
		{"", nil},
		{strings.Repeat("a", 10_000), nil},
	} {
		if got := nearname.Of(test.name, known); !slices.Equal(got, test.want) {
			t.Errorf("Of(%.20q) = %q, want %q", test.name, got, test.want)
		}
	}
}
