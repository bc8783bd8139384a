package ui

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// language is one that the pages are written in, as the lang attribute names it.
type language string

const (
	english language = "en"
	chinese language = "zh"
)

// languages are all of them, the default first.
var languages = []language{english, chinese}

// htmlNames are what the lang attribute says, more exact than the name of the file.
var htmlNames = map[language]string{english: "en", chinese: "zh-Hans"}

//go:embed texts/*.json
var textFiles embed.FS

// texts are the words of one language, by key. A key that ends in ".one" is the singular of the one in ".other".
type texts map[string]string

func loadTexts(l language) texts {
	content, err := textFiles.ReadFile("texts/" + string(l) + ".json")
	if err != nil {
		panic("embedded texts: " + err.Error()) // a constant of this package
	}
	var all texts
	if err := json.Unmarshal(content, &all); err != nil {
		panic("embedded texts of " + string(l) + ": " + err.Error())
	}
	return all
}

// text returns the words of a key with the arguments in place. The error is for tests: every page is rendered there.
func (t texts) text(key string, args ...any) (string, error) {
	words, ok := t[key]
	if !ok {
		return "", fmt.Errorf("no text %q", key)
	}
	if len(args) == 0 {
		return words, nil
	}
	return fmt.Sprintf(words, args...), nil
}

// count returns the words of a key for n things.
func (t texts) count(key string, n int) (string, error) {
	if n == 1 {
		return t.text(key+".one", n)
	}
	return t.text(key+".other", n)
}

const languageCookie = "panda_language"

// languageOf returns the language that the user chose, else the one that the browser prefers.
func languageOf(r *http.Request) language {
	if c, err := r.Cookie(languageCookie); err == nil {
		if l := language(c.Value); known(l) {
			return l
		}
	}
	return preferred(r.Header.Get("Accept-Language"))
}

func known(l language) bool { return htmlNames[l] != "" }

// preferred reads an Accept-Language header such as "zh-CN,zh;q=0.9,en;q=0.8".
func preferred(header string) language {
	best, weight := english, 0.0
	for part := range strings.SplitSeq(header, ",") {
		tag, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q="); ok {
			q, _ = strconv.ParseFloat(value, 64) // what cannot be read is not wanted
		}
		if l := language(base); known(l) && q > weight {
			best, weight = l, q
		}
	}
	return best
}

const languageKept = 365 * 24 * time.Hour

// setLanguage keeps the language that ?to names and goes back to the page in ?back.
func (h *Handler) setLanguage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if to := language(query.Get("to")); known(to) {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // a language is no secret, and the agent mostly speaks plain HTTP
			Name: languageCookie, Value: string(to), Path: Root, MaxAge: int(languageKept.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	back := query.Get("back")
	if !strings.HasPrefix(back, Root) || strings.Contains(back, `\`) {
		back = Root
	}
	http.Redirect(w, r, back, http.StatusSeeOther) // a page of this site: it begins with /ui/
}
