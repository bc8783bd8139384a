package ui

import (
	"net/url"
	"strings"
)

// Names are in the query, not in the path: a key may be "..", or "a//b", and no browser leaves such a path alone.

func serviceLink(name string) string { return "/ui/service?" + url.Values{"name": {name}}.Encode() }

func nodeLink(name string) string { return "/ui/node?" + url.Values{"name": {name}}.Encode() }

func checkLink(node, id string) string {
	return "/ui/check?" + url.Values{"node": {node}, "id": {id}}.Encode()
}

func folderLink(prefix string) string {
	if prefix == "" {
		return "/ui/kv"
	}
	return "/ui/kv?" + url.Values{"prefix": {prefix}}.Encode()
}

func keyLink(key string) string { return "/ui/kv/key?" + url.Values{"key": {key}}.Encode() }

// fromConsul returns the page that shows what a path of Consul's UI does, such as "dc1/services/web/instances", or "".
func fromConsul(path, datacenter string) string {
	rest, ok := strings.CutPrefix(path, datacenter+"/")
	if !ok {
		return ""
	}
	kind, name, _ := strings.Cut(rest, "/")
	first, _, _ := strings.Cut(name, "/")
	switch {
	case kind == "services" && first == "":
		return "/ui/services"
	case kind == "services":
		return serviceLink(first)
	case kind == "nodes" && first == "":
		return "/ui/nodes"
	case kind == "nodes":
		return nodeLink(first)
	case kind == "kv" && strings.HasSuffix(name, "/edit"):
		return keyLink(strings.TrimSuffix(name, "/edit"))
	case kind == "kv":
		return folderLink(name)
	}
	return ""
}
