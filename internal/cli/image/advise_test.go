package image

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/cli/command"
	oci "github.com/pandakit/panda/internal/image"
)

func TestRefusedPushTellsWhatToDo(t *testing.T) {
	t.Parallel()
	image := oci.Named{Reference: "registry.example.com/shop/web:1"}
	for want, refused := range map[string]*oci.PushError{
		"log in first: docker login registry.example.com":                                    {Status: http.StatusUnauthorized},
		`the user that "docker login registry.example.com" has stored may not push there`:    {Status: http.StatusForbidden},
		"see whether the repository's name is right, and whether it has to be created first": {Status: http.StatusNotFound},
		"--plain-http allows it where the network can be trusted":                            {Reason: "it speaks HTTP without TLS"},
		"": {Status: http.StatusInternalServerError},
	} {
		err := advise(image, refused)
		if got := command.Advice(err); got != want || !errors.Is(err, error(refused)) || command.ExitCode(err) != command.ExitFailed {
			t.Errorf("advice on %d %s is %q, want %q", refused.Status, refused.Reason, got, want)
		}
	}
	if other := errors.New("another"); !strings.Contains(advise(image, other).Error(), "another") || command.Advice(advise(image, other)) != "" {
		t.Error("advice on what is no refusal")
	}
}
