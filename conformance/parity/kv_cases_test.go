package parity

import "strings"

func kvCases() []Case {
	return concat(kvReadCases(), kvListCases(), kvWriteCases(), kvCASCases(), kvDeleteCases(), kvLockCases(), kvBlockingCases())
}

func concat(groups ...[]Case) (all []Case) {
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// one is a case of one request after some that make ready.
func one(name, do string, before ...Step) Case {
	return Case{Name: name, Steps: append(before, Step{Do: do})}
}

// put stores a value under a key.
func put(key, value string) Step { return Step{Do: "PUT /v1/kv/" + key, Body: value} }

func kvReadCases() []Case {
	return []Case{
		one("a key", "GET /v1/kv/read/a", put("read/a", "hello")),
		one("a key with flags", "GET /v1/kv/read/flags", Step{Do: "PUT /v1/kv/read/flags?flags=42", Body: "x"}),
		one("an empty value", "GET /v1/kv/read/empty", put("read/empty", "")),
		one("a value that is not text", "GET /v1/kv/read/bytes", put("read/bytes", "\x00\xff\n")),
		one("a key with a slash at its end", "GET /v1/kv/read/folder/", put("read/folder/", "")),
		one("a key written with escapes", "GET /v1/kv/read/a%20b%2Fc%3F%C3%A9", put("read/a%20b%2Fc%3F%C3%A9", "v")),
		one("case matters", "GET /v1/kv/READ/a", put("read/a", "hello")),
		one("raw", "GET /v1/kv/read/a?raw", put("read/a", "hello")),
		one("raw of markup", "GET /v1/kv/read/html?raw", put("read/html", "<script>alert(1)</script>")),
		one("raw of an empty value", "GET /v1/kv/read/empty?raw", put("read/empty", "")),
		one("raw of no key", "GET /v1/kv/none?raw"),
		one("raw with recurse is not raw", "GET /v1/kv/read/a?raw&recurse", put("read/a", "hello")),
		one("no such key", "GET /v1/kv/none"),
		one("no key", "GET /v1/kv/"),
		one("without the slash", "GET /v1/kv"),
		one("two slashes", "GET /v1/kv/read//a"),
		one("another datacenter", "GET /v1/kv/read/a?dc=elsewhere"),
		one("this datacenter", "GET /v1/kv/read/a?dc=dc1", put("read/a", "hello")),
		one("stale", "GET /v1/kv/read/a?stale", put("read/a", "hello")),
		one("consistent", "GET /v1/kv/read/a?consistent", put("read/a", "hello")),
		one("stale and consistent", "GET /v1/kv/read/a?stale&consistent"),
		one("a wrong verb", "POST /v1/kv/read/a"),
		one("which verbs", "OPTIONS /v1/kv/read/a"),
		one("a bad index", "GET /v1/kv/read/a?index=x"),
		one("a bad wait", "GET /v1/kv/read/a?index=1&wait=x"),
	}
}

func kvListCases() []Case {
	tree := []Step{put("list/a", "1"), put("list/b/c", "2"), put("list/b/d", "3"), put("list/bb", "4"), put("list/z/y/x", "5")}
	return []Case{
		one("recurse", "GET /v1/kv/list/?recurse", tree...),
		one("recurse by a part of a name", "GET /v1/kv/list/b?recurse", tree...),
		one("recurse finds nothing", "GET /v1/kv/none?recurse"),
		one("keys", "GET /v1/kv/list/?keys", tree...),
		one("keys up to a separator", "GET /v1/kv/list/?keys&separator=/", tree...),
		one("the older spelling of separator", "GET /v1/kv/list/?keys&seperator=/", tree...),
		one("both spellings of separator", "GET /v1/kv/list/?keys&seperator=/&separator=b", tree...),
		one("a separator of several letters", "GET /v1/kv/list/?keys&separator=b/", tree...),
		one("a separator without a prefix's slash", "GET /v1/kv/list?keys&separator=/", tree...),
		one("an empty separator", "GET /v1/kv/list/?keys&separator=", tree...),
		one("no keys", "GET /v1/kv/none?keys"),
		one("keys of everything", "GET /v1/kv/?keys&separator=/", tree...),
		one("keys win over recurse", "GET /v1/kv/list/b?keys&recurse", tree...),
		{Name: "nothing at all", Steps: []Step{
			{Do: "DELETE /v1/kv/?recurse"}, {Do: "GET /v1/kv/?keys"}, {Do: "GET /v1/kv/?recurse"},
		}},
	}
}

func kvWriteCases() []Case {
	long := "/v1/kv/write/" + strings.Repeat("k", 70_000)
	return []Case{
		one("a new key", "PUT /v1/kv/write/a"),
		{Name: "the same value again changes nothing", Steps: []Step{
			put("write/b", "v"), {Do: "GET /v1/kv/write/b", Keep: map[string]string{"at": "0.ModifyIndex"}}, put("write/b", "v"),
			{Do: "PUT /v1/kv/write/b?cas={at}", Body: "w"}, {Do: "GET /v1/kv/write/b"},
		}},
		one("no key", "PUT /v1/kv/"),
		one("bad flags", "PUT /v1/kv/write/a?flags=-1"),
		one("flags of no number", "PUT /v1/kv/write/a?flags="),
		{Name: "the largest flags", Steps: []Step{{Do: "PUT /v1/kv/write/f?flags=18446744073709551615"}, {Do: "GET /v1/kv/write/f?raw"}}},
		one("flags beyond the largest", "PUT /v1/kv/write/a?flags=18446744073709551616"),
		{Name: "the largest value", Steps: []Step{{Do: "PUT /v1/kv/write/large", Body: strings.Repeat("x", 512<<10)}}},
		{Name: "a value beyond the largest", Steps: []Step{{Do: "PUT /v1/kv/write/large", Body: strings.Repeat("x", 512<<10+1)}}},
		{Name: "a key of 70,000 bytes", Steps: []Step{{Do: "PUT " + long, Body: "v"}, {Do: "GET " + long}, {Do: "DELETE " + long}}},
		one("another datacenter", "PUT /v1/kv/write/a?dc=elsewhere"),
		one("cas with acquire", "PUT /v1/kv/write/a?cas=1&acquire=x"),
		one("acquire with release", "PUT /v1/kv/write/a?acquire=x&release=x"),
		one("all three", "PUT /v1/kv/write/a?acquire=x&release=x&cas=0"),
	}
}

func kvCASCases() []Case {
	return []Case{
		{Name: "cas of a new key", Steps: []Step{{Do: "PUT /v1/kv/cas/new?cas=0", Body: "1"}, {Do: "GET /v1/kv/cas/new"}}},
		{Name: "cas 0 of a key that exists", Steps: []Step{put("cas/old", "1"), {Do: "PUT /v1/kv/cas/old?cas=0", Body: "2"}, {Do: "GET /v1/kv/cas/old"}}},
		{Name: "cas with the right index", Steps: []Step{
			put("cas/a", "1"), {Do: "GET /v1/kv/cas/a", Keep: map[string]string{"at": "0.ModifyIndex"}},
			{Do: "PUT /v1/kv/cas/a?cas={at}&flags=3", Body: "2"}, {Do: "GET /v1/kv/cas/a"}, {Do: "PUT /v1/kv/cas/a?cas={at}", Body: "3"},
		}},
		one("cas of no key with an index", "PUT /v1/kv/cas/none?cas=5"),
		one("a bad cas", "PUT /v1/kv/cas/a?cas=x"),
		one("an empty cas", "PUT /v1/kv/cas/a?cas="),
		{Name: "delete with the right index", Steps: []Step{
			put("cas/d", "1"), {Do: "GET /v1/kv/cas/d", Keep: map[string]string{"at": "0.ModifyIndex"}},
			{Do: "DELETE /v1/kv/cas/d?cas=1"}, {Do: "DELETE /v1/kv/cas/d?cas={at}"}, {Do: "GET /v1/kv/cas/d"}, {Do: "DELETE /v1/kv/cas/d?cas={at}"},
		}},
		{Name: "delete with 0", Steps: []Step{put("cas/z", "1"), {Do: "DELETE /v1/kv/cas/z?cas=0"}, {Do: "GET /v1/kv/cas/z?raw"}}},
		one("delete with a bad cas", "DELETE /v1/kv/cas/a?cas=x"),
	}
}

func kvDeleteCases() []Case {
	return []Case{
		{Name: "delete", Steps: []Step{put("del/a", "1"), {Do: "DELETE /v1/kv/del/a"}, {Do: "GET /v1/kv/del/a"}}},
		one("delete what is not there", "DELETE /v1/kv/none"),
		one("delete no key", "DELETE /v1/kv/"),
		{Name: "delete a key and not what is below it", Steps: []Step{put("del/b", "1"), put("del/b/c", "2"), {Do: "DELETE /v1/kv/del/b"}, {Do: "GET /v1/kv/del/?keys"}}},
		{Name: "delete a tree", Steps: []Step{
			put("del/t/a", "1"), put("del/t/b", "2"), put("del/tt", "3"), {Do: "DELETE /v1/kv/del/t/?recurse"}, {Do: "GET /v1/kv/del/?keys"},
		}},
		one("delete a tree that is not there", "DELETE /v1/kv/none?recurse"),
		one("recurse with cas", "DELETE /v1/kv/del?recurse&cas=1"),
		{Name: "a key that is back is a new one", Steps: []Step{
			put("del/again", "1"), {Do: "DELETE /v1/kv/del/again"}, put("del/again", "2"), {Do: "GET /v1/kv/del/again"},
		}},
	}
}

// session makes a session and keeps its ID.
func session(keep, body string) Step {
	return Step{Do: "PUT /v1/session/create", Body: body, Keep: map[string]string{keep: "ID"}}
}

func kvLockCases() []Case {
	return []Case{
		{Name: "acquire and release", Steps: []Step{
			session("s", `{"Name":"lock"}`), {Do: "PUT /v1/kv/lock/a?acquire={s}&flags=7", Body: "mine"}, {Do: "GET /v1/kv/lock/a"},
			{Do: "PUT /v1/kv/lock/a?acquire={s}", Body: "again"}, {Do: "GET /v1/kv/lock/a"},
			{Do: "PUT /v1/kv/lock/a?release={s}", Body: "free"}, {Do: "GET /v1/kv/lock/a"},
			{Do: "PUT /v1/kv/lock/a?acquire={s}"}, {Do: "GET /v1/kv/lock/a"}, {Do: "PUT /v1/session/destroy/{s}"},
		}},
		{Name: "a lock that another has", Steps: []Step{
			session("a", ""), session("b", ""), {Do: "PUT /v1/kv/lock/b?acquire={a}", Body: "a"}, {Do: "PUT /v1/kv/lock/b?acquire={b}", Body: "b"},
			{Do: "PUT /v1/kv/lock/b?release={b}", Body: "b"}, {Do: "GET /v1/kv/lock/b"},
			{Do: "PUT /v1/session/destroy/{a}"}, {Do: "PUT /v1/session/destroy/{b}"},
		}},
		{Name: "a lock is advisory", Steps: []Step{
			session("s", ""), {Do: "PUT /v1/kv/lock/c?acquire={s}", Body: "mine"}, put("lock/c", "theirs"), {Do: "GET /v1/kv/lock/c"},
			{Do: "DELETE /v1/kv/lock/c"}, {Do: "GET /v1/kv/lock/c"}, {Do: "PUT /v1/session/destroy/{s}"},
		}},
		one("acquire by no session", "PUT /v1/kv/lock/d?acquire="),
		one("acquire by a session that is not there", "PUT /v1/kv/lock/d?acquire=00000000-0000-4000-8000-000000000000"),
		one("acquire by what is no ID", "PUT /v1/kv/lock/d?acquire=x"),
		one("release by no session", "PUT /v1/kv/lock/d?release="),
		one("release what is not locked", "PUT /v1/kv/lock/d?release=x", put("lock/d", "")),
		one("release what is not there", "PUT /v1/kv/none?release=x"),
		{Name: "a session that ends frees its locks, for others after a delay", Steps: []Step{
			session("a", `{"LockDelay":"30s"}`), session("b", ""), {Do: "PUT /v1/kv/lock/e?acquire={a}", Body: "a"}, {Do: "PUT /v1/session/destroy/{a}"},
			{Do: "GET /v1/kv/lock/e"}, {Do: "PUT /v1/kv/lock/e?acquire={b}", Body: "b"}, {Do: "GET /v1/kv/lock/e"}, {Do: "PUT /v1/session/destroy/{b}"},
		}},
		{Name: "without a lock delay at once", Steps: []Step{
			session("a", `{"LockDelay":"0s"}`), session("b", ""), {Do: "PUT /v1/kv/lock/f?acquire={a}", Body: "a"}, {Do: "PUT /v1/session/destroy/{a}"},
			{Do: "PUT /v1/kv/lock/f?acquire={b}", Body: "b"}, {Do: "GET /v1/kv/lock/f"}, {Do: "PUT /v1/session/destroy/{b}"},
		}},
		{Name: "a released lock has no delay", Steps: []Step{
			session("a", ""), session("b", ""), {Do: "PUT /v1/kv/lock/g?acquire={a}"}, {Do: "PUT /v1/kv/lock/g?release={a}"},
			{Do: "PUT /v1/kv/lock/g?acquire={b}"}, {Do: "PUT /v1/session/destroy/{a}"}, {Do: "PUT /v1/session/destroy/{b}"},
		}},
		{Name: "a session whose behavior is delete takes its keys with it", Steps: []Step{
			session("a", `{"Behavior":"delete","LockDelay":"30s"}`), session("b", ""), {Do: "PUT /v1/kv/lock/h?acquire={a}", Body: "a"},
			{Do: "PUT /v1/session/destroy/{a}"}, {Do: "GET /v1/kv/lock/h"}, {Do: "PUT /v1/kv/lock/h?acquire={b}"}, {Do: "PUT /v1/session/destroy/{b}"},
		}},
	}
}

func kvBlockingCases() []Case {
	changed := func(name, do string, meanwhile Step, before ...Step) Case {
		steps := append(before, Step{Do: do})
		return Case{Name: name, Steps: append(steps, Step{Do: waiting(do), Meanwhile: []Step{meanwhile}})}
	}
	return []Case{
		changed("wait for a change", "GET /v1/kv/block/a", put("block/a", "2"), put("block/a", "1")),
		changed("wait for a key to come", "GET /v1/kv/block/b", put("block/b", "1")),
		changed("wait for a key to go", "GET /v1/kv/block/c", Step{Do: "DELETE /v1/kv/block/c"}, put("block/c", "1")),
		changed("wait for a raw value", "GET /v1/kv/block/d?raw", put("block/d", "2"), put("block/d", "1")),
		changed("wait for a change below", "GET /v1/kv/block/t/?recurse", put("block/t/a", "2"), put("block/t/a", "1")),
		changed("wait for a new key below", "GET /v1/kv/block/u/?keys", put("block/u/b", "1"), put("block/u/a", "1")),
		changed("wait for a deletion below", "GET /v1/kv/block/v/?recurse", Step{Do: "DELETE /v1/kv/block/v/b"}, put("block/v/a", "1"), put("block/v/b", "1")),
		changed("wait for the last key below to go", "GET /v1/kv/block/w/?keys", Step{Do: "DELETE /v1/kv/block/w/?recurse"}, put("block/w/a", "1")),
		changed("wait for any key", "GET /v1/kv/?keys&separator=/", put("block-any", "1")),
		{Name: "a wait that is over", Steps: []Step{put("block/x", "1"), {Do: "GET /v1/kv/block/x"}, {Do: "GET /v1/kv/block/x?index={index}&wait=50ms"}}},
		{Name: "an unrelated key does not wake", Steps: []Step{
			put("block/y", "1"), {Do: "GET /v1/kv/block/y"},
			{Do: "GET /v1/kv/block/y?index={index}&wait=500ms", Meanwhile: []Step{put("block/yy", "1"), put("other", "1")}},
		}},
		{Name: "an older index is answered at once", Steps: []Step{put("block/z", "1"), {Do: "GET /v1/kv/block/z?index=1"}}},
	}
}

// waiting adds to a request that it waits for what comes after the index that was told last.
func waiting(do string) string {
	if strings.Contains(do, "?") {
		return do + "&index={index}&wait=10s"
	}
	return do + "?index={index}&wait=10s"
}
