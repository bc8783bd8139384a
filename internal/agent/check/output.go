package check

import (
	"fmt"
	"strings"
)

// clip cuts output at most bytes, never inside a character, and says so at the end.
func clip(output string, most int) string {
	if len(output) <= most {
		return output
	}
	kept := strings.ToValidUTF8(output[:most], "")
	return fmt.Sprintf("%s ... (captured %d of %d bytes)", kept, len(kept), len(output))
}
