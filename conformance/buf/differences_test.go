package buf_test

import (
	"maps"
	"strings"
)

// difference is a kind of change that Panda judges otherwise than buf, on purpose.
type difference struct {
	why string
	// applies reports whether this alone is why the two differ.
	applies func(p pair, ours, theirs judgement) bool
}

var differences = []difference{
	{
		"in an edition, field_presence = LEGACY_REQUIRED makes a field required as the label does in proto2: a message " +
			"without it is refused by whoever requires it. buf looks for the label alone, which editions do not have",
		func(p pair, ours, theirs judgement) bool {
			return strings.Contains(p.before["a.proto"]+p.now["a.proto"], "LEGACY_REQUIRED") &&
				maps.Equal(without(ours, "MESSAGE_SAME_REQUIRED_FIELDS"), theirs)
		},
	},
	{
		"in an edition, the type of C++ strings can be set by the feature (pb.cpp).string_type. Panda reads the option " +
			"ctype, and no features of single languages; no generated Go changes with them",
		func(p pair, ours, theirs judgement) bool {
			return strings.Contains(p.before["a.proto"]+p.now["a.proto"], "(pb.cpp)") &&
				maps.Equal(ours, without(theirs, "FIELD_SAME_CPP_STRING_TYPE"))
		},
	},
	{
		"an option that was taken away has no place in the file, so buf tells the first line. Panda tells that of the " +
			"method that had it",
		func(_ pair, ours, theirs judgement) bool {
			const rule = "RPC_SAME_IDEMPOTENCY_LEVEL"
			return theirs[rule+" a.proto:1"] == 1 && maps.Equal(without(ours, rule), without(theirs, rule))
		},
	},
}

// without returns j without what one rule has found.
func without(j judgement, rule string) judgement {
	rest := judgement{}
	for key, n := range j {
		if !strings.HasPrefix(key, rule+" ") {
			rest[key] = n
		}
	}
	return rest
}

// explained returns why the two judge a pair differently, or "" when nobody knows.
func explained(p pair, ours, theirs judgement) string {
	for _, d := range differences {
		if d.applies(p, ours, theirs) {
			return d.why
		}
	}
	return ""
}
