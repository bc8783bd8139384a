package history

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"
)

// secretParts make a name one that a credential goes by, wherever they stand in it, in lower case and without what joins
// words. secretWords do so when they are a whole word.
var (
	secretParts = []string{
		"authoriz", "authentic", "token", "cookie", "password", "passwd", "passphrase", "secret", "credential", "apikey", "accesskey", "privatekey", "jwt",
	}
	secretWords = []string{"auth", "session", "sessionid", "signature", "otp", "pin", "pwd", "pass", "sid"}
)

// looksSecret reports whether a name is one that a credential goes by.
func looksSecret(name string) bool {
	words := wordsOf(name)
	plain := strings.Join(words, "")
	return slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(plain, part) }) ||
		slices.ContainsFunc(words, func(word string) bool { return slices.Contains(secretWords, word) })
}

// wordsOf splits a name at what joins words and at capital letters behind small ones, and returns them in lower case.
func wordsOf(name string) []string {
	var spaced strings.Builder
	var before rune
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			spaced.WriteByte(' ')
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			r = ' '
		}
		spaced.WriteRune(unicode.ToLower(r))
		before = r
	}
	return strings.Fields(spaced.String())
}

// secretSchemes begin the value of an Authorization header, whatever the key is.
var secretSchemes = []string{"bearer ", "basic ", "digest ", "negotiate ", "eyj"} // the last is a JSON web token

// withoutSecrets takes out the values of metadata that are credentials, and JSON with a field that looks like one.
func (e Entry) withoutSecrets() Entry {
	var kept []string
	for _, pair := range e.Metadata {
		key, value, _ := strings.Cut(pair, "=")
		key = strings.ToLower(key)
		secret := looksSecret(key) || slices.ContainsFunc(secretSchemes, func(scheme string) bool {
			return strings.HasPrefix(strings.ToLower(value), scheme)
		})
		switch {
		case !secret:
			kept = append(kept, pair)
		case !slices.Contains(e.Withheld, key):
			e.Withheld = append(slices.Clone(e.Withheld), key)
		}
	}
	e.Metadata = kept
	if !strings.HasPrefix(e.Data, "@") && hasSecretField(e.Data) {
		e.Data, e.Omitted = "", "it has a field that looks like a credential"
	}
	return e
}

// hasSecretField reports whether JSON has a key that a credential goes by. Text that is no JSON is searched for such
// words as a whole.
func hasSecretField(text string) bool {
	decoder := json.NewDecoder(strings.NewReader(text))
	var inObject []bool // of each level that has not ended
	key := true
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			return looksSecret(text)
		}
		top := len(inObject) - 1
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				inObject, key = append(inObject, token == '{'), true
				continue
			}
			inObject = inObject[:top]
			key = true
		case string:
			if top >= 0 && inObject[top] && key {
				if looksSecret(token) {
					return true
				}
				key = false
				continue
			}
			key = true
		default:
			key = true
		}
	}
}
