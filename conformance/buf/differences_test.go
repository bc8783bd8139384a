package buf_test

// difference is a kind of change that Panda judges otherwise than buf, on purpose.
type difference struct {
	why     string
	applies func(p pair, category string, ours, theirs judgement) bool
}

var differences = []difference{}

// explained returns why the two judge a pair differently, or "" when nobody knows.
func explained(p pair, category string, ours, theirs judgement) string {
	for _, d := range differences {
		if d.applies(p, category, ours, theirs) {
			return d.why
		}
	}
	return ""
}
