package breaking

import (
	"fmt"
	"slices"
	"strings"
)

const referenceHead = `# The rules of panda breaking

This page is written by the rules themselves; ` + "`go test ./internal/protobuild/breaking -update`" + ` writes it anew.

The rules have the names and the judgement of buf's: the category ` + "`wire`" + ` is buf's WIRE, ` + "`json`" + ` is WIRE_JSON and ` + "`source`" + ` is FILE.
A test builds buf and has both judge some nine thousand changes; where they differ, the test says why. ` + "`callers`" + ` is Panda's own:
what a client that runs today would notice tomorrow.

Rules, files, and rules in files are left out for a run, ` + "`--ignore FIELD_SAME_NAME --ignore acme/internal`" + `, or in panda.yaml:
` + "`proto: {breaking: {ignore: [FIELD_SAME_NAME, acme/internal, \"FIELD_SAME_NAME:acme/v1/pet.proto\"]}}`" + `.

`

// Reference returns all rules as a page of Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	b.WriteString("| rule | wire | json | source | callers | change | why it breaks |\n|---|---|---|---|---|---|---|\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "| %s |", r.ID)
		for _, c := range Categories() {
			mark := ""
			if slices.Contains(r.Categories, c) {
				mark = " yes"
			}
			b.WriteString(mark + " |")
		}
		fmt.Fprintf(&b, " %s | %s |\n", r.What, r.Why)
	}
	return b.String()
}
