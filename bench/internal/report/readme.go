package report

import (
	"fmt"
	"os"
	"strings"
)

// A report goes between two lines of a README that have its name.
const (
	blockBegin = "<!-- %s: begin -->\n"
	blockEnd   = "<!-- %s: end -->\n"
)

// Update puts the report between the two marks of that name in the file, in place of what is there, and leaves
// the rest as it is.
func Update(file, name, report string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("update report: %w", err)
	}
	updated, err := replaceBlock(string(text), name, report)
	if err != nil {
		return fmt.Errorf("update report in %s: %w", file, err)
	}
	if err := os.WriteFile(file, []byte(updated), 0o644); err != nil {
		return fmt.Errorf("update report: %w", err)
	}
	return nil
}

func replaceBlock(text, name, block string) (string, error) {
	begin, end := fmt.Sprintf(blockBegin, name), fmt.Sprintf(blockEnd, name)
	before, rest, begun := strings.Cut(text, begin)
	_, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		return "", fmt.Errorf("the lines %q and %q are not both there", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + "\n" + block + "\n" + end + after, nil
}
