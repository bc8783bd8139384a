package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
)

//go:embed static/*
var staticFiles embed.FS

// assets are the files that pages refer to, by name.
type assets map[string]asset

type asset struct {
	content []byte
	version string // changes with the content
}

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() assets {
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic("embedded files: " + err.Error()) // a constant of this package
	}
	all := make(assets, len(entries))
	for _, e := range entries {
		content, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic("embedded files: " + err.Error())
		}
		sum := sha256.Sum256(content)
		all[e.Name()] = asset{content, hex.EncodeToString(sum[:8])}
	}
	return all
}

// link returns the address of a file, which changes when the file does.
func (a assets) link(name string) string { return "/ui/static/" + name + "?v=" + a[name].version }

// ServeHTTP sends one file. What was asked for by its version may be kept for good.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", assetTypes[path.Ext(r.PathValue("name"))])
	if r.URL.Query().Get("v") == file.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(file.content) // a client that is gone needs no answer
}
