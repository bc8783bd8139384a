package report

import (
	"fmt"
	"os"
	"strings"
)

// The lines of a README between which the report goes.
const (
	blockBegin = "<!-- results: begin -->\n"
	blockEnd   = "<!-- results: end -->\n"
)

// Update puts the report between the two marks of the file, in place of what is there, and leaves the
// rest as it is.
func Update(file, report string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("update report: %w", err)
	}
	updated, err := replaceBlock(string(text), report)
	if err != nil {
		return fmt.Errorf("update report in %s: %w", file, err)
	}
	if err := os.WriteFile(file, []byte(updated), 0o644); err != nil {
		return fmt.Errorf("update report: %w", err)
	}
	return nil
}

func replaceBlock(text, block string) (string, error) {
	before, rest, begun := strings.Cut(text, blockBegin)
	_, after, ended := strings.Cut(rest, blockEnd)
	if !begun || !ended {
		return "", fmt.Errorf("the lines %q and %q are not both there", strings.TrimSpace(blockBegin), strings.TrimSpace(blockEnd))
	}
	return before + blockBegin + "\n" + block + "\n" + blockEnd + after, nil
}
