package lint

import "slices"

// Category is a set of rules of one kind, which are on or off together by default.
type Category string

// The categories.
const (
	Naming        Category = "naming"
	Packages      Category = "packages"
	Imports       Category = "imports"
	Evolution     Category = "evolution"
	Methods       Category = "methods"
	Comments      Category = "comments"
	Documentation Category = "documentation"
	Unary         Category = "unary"
	Strict        Category = "strict"
)

// Categories returns all categories in the order in which they are documented.
func Categories() []Category {
	return []Category{Naming, Packages, Imports, Evolution, Methods, Comments, Documentation, Unary, Strict}
}

// Default reports whether the category's rules are on unless something else is said.
func (c Category) Default() bool {
	return c != Documentation && c != Unary && c != Strict
}

// About says in a sentence what the category's rules are for.
func (c Category) About() string {
	switch c {
	case Naming:
		return "Names are written as generated code in all languages expects them."
	case Packages:
		return "Packages lie where imports look for them, and can have a next version."
	case Imports:
		return "Files import what they use."
	case Evolution:
		return "Messages and enums can change without old data being read as something else."
	case Methods:
		return "Methods can get another field in what they take and answer without breaking their neighbours."
	case Comments:
		return "What callers see first says what it is for."
	case Documentation:
		return "All that callers see says what it is for."
	case Unary:
		return "No method streams, for systems whose proxies cannot pass streams on."
	case Strict:
		return "What is wise for some and too much for others."
	}
	return ""
}

// Rule is one thing that files are judged by.
type Rule struct {
	ID       string
	Category Category
	Text     string // one paragraph: what the rule wants, and why
	// Bad breaks the rule and Good does not. They are .proto files, or what follows the package in one; lines
	// "-- path --" begin a file of several.
	Bad, Good string

	check func(*pass)
}

var rules = slices.Concat(
	namingRules(), enumNamingRules(), serviceNamingRules(), packageRules(), packageOptionRules(), importRules(), evolutionRules(), reservedRules(), methodRules(), commentRules(), strictRules(),
)

// Rules returns all rules, sorted by ID. The slice is the caller's.
func Rules() []Rule {
	list := slices.Clone(rules)
	slices.SortFunc(list, func(a, b Rule) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

// ByID returns the rule with an ID.
func ByID(id string) (Rule, bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

// Names returns the IDs of all rules, sorted, and then the names of the categories.
func Names() []string {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.ID)
	}
	for _, c := range Categories() {
		names = append(names, string(c))
	}
	return names
}
