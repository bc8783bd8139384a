package lint

import (
	"fmt"
	"strings"
)

// Explain returns a rule's documentation as text for a terminal.
func (r *Rule) Explain() string {
	state := "on unless switched off"
	if !r.Category.Default() {
		state = "off unless switched on"
	}
	return fmt.Sprintf("%s (%s, %s)\n\n%s\n\nBad:\n\n%s\n\nGood:\n\n%s\n", r.ID, r.Category, state, wrap(r.Text, 100), indent(r.Bad), indent(r.Good))
}

func indent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = "  " + line
		}
	}
	return strings.Join(lines, "\n")
}

// wrap breaks text into lines of at most width bytes.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

const referenceHead = `# The rules of panda lint

This page is written by the rules themselves; ` + "`go test ./internal/protobuild/lint -update`" + ` writes it anew. ` + "`panda lint --explain RULE`" + `
shows the same on a terminal. A rule that is also one of buf's has the same name here.

Rules are switched

- by category or one by one, for a run: ` + "`panda lint --disable comments --enable FIELD_NUMBER_NO_GAP`" + `;
- for a folder, in panda.yaml: ` + "`proto: {lint: {disable: [comments, SERVICE_SUFFIX]}}`" + `;
- at one element and all that is in it, or for a file at its syntax or package, by a comment that says why:
  ` + "`// panda:lint-ignore SERVICE_SUFFIX the name is printed on the devices`" + `.

`

// Reference returns all rules as a page of Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	b.WriteString("| category | by default | what for |\n|---|---|---|\n")
	for _, c := range Categories() {
		state := "on"
		if !c.Default() {
			state = "off"
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", c, c, state, c.About())
	}
	for _, c := range Categories() {
		fmt.Fprintf(&b, "\n## %s\n", c)
		for _, r := range Rules() {
			if r.Category == c {
				fmt.Fprintf(&b, "\n### %s\n\n%s\n\nBad:\n\n```proto\n%s\n```\n\nGood:\n\n```proto\n%s\n```\n", r.ID, wrap(r.Text, 115), r.Bad, r.Good)
			}
		}
	}
	return b.String()
}
