package ui

import (
	"net/url"
	"strconv"
)

// pager says which part of a list is shown, and leads to the parts beside it.
type pager struct {
	First, Last, Total int    // of what is shown, counted from 1
	Before, After      string // "" where there is none
}

// Needed reports whether there is more than one part.
func (p pager) Needed() bool { return p.Before != "" || p.After != "" }

// cut returns the part of a list that ?page asks for, of size at most. A page behind the end is the last one: the list
// may have become shorter.
func cut[T any](r *request, all []T, size int) ([]T, pager) {
	pages := max((len(all)+size-1)/size, 1)
	number, err := strconv.Atoi(r.query.Get("page"))
	if err != nil {
		number = 1
	}
	number = min(max(number, 1), pages)
	first, last := (number-1)*size, min(number*size, len(all))
	p := pager{First: first + 1, Last: last, Total: len(all)}
	if number > 1 {
		p.Before = r.with("page", strconv.Itoa(number-1))
	}
	if number < pages {
		p.After = r.with("page", strconv.Itoa(number+1))
	}
	return all[first:last], p
}

// with returns the address of this page with one parameter set otherwise.
func (r *request) with(name, value string) string {
	query := url.Values{}
	for k, v := range r.query {
		if k != "index" && k != "fragment" && k != "page" {
			query[k] = v
		}
	}
	query.Set(name, value)
	return r.URL.Path + "?" + query.Encode()
}
