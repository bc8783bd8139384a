package lint

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	lowerSnake = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	upperSnake = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`)
	pascal     = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	version    = regexp.MustCompile(`^v[1-9][0-9]*((alpha|beta|test)[0-9]*|p[1-9][0-9]*(alpha|beta)[1-9][0-9]*)?$`)
	unstable   = regexp.MustCompile(`(alpha|beta|test)`)
)

// words cuts a name at underscores and where a new word begins with a capital: "HTTPServer_name" has three.
func words(name string) []string {
	var list []string
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' || r == '.' || unicode.IsSpace(r) }) {
		runes := []rune(part)
		begin := 0
		for i := 1; i < len(runes); i++ {
			afterLower := unicode.IsUpper(runes[i]) && !unicode.IsUpper(runes[i-1])
			beforeLower := unicode.IsUpper(runes[i]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if afterLower || beforeLower {
				list = append(list, string(runes[begin:i]))
				begin = i
			}
		}
		list = append(list, string(runes[begin:]))
	}
	return list
}

func toLowerSnake(name string) string { return strings.ToLower(strings.Join(words(name), "_")) }

func toUpperSnake(name string) string { return strings.ToUpper(strings.Join(words(name), "_")) }

func toPascal(name string) string {
	var b strings.Builder
	for _, w := range words(name) {
		runes := []rune(w)
		b.WriteString(strings.ToUpper(string(runes[:1])))
		rest := string(runes[1:])
		if rest == strings.ToUpper(rest) && name == strings.ToUpper(name) {
			rest = strings.ToLower(rest) // an acronym stays one unless all is in capitals
		}
		b.WriteString(rest)
	}
	return b.String()
}
