package breaking

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/protobuild/place"
)

// removedFields calls judge for each field of before whose number no field of now has.
func removedFields(before, now protoreflect.MessageDescriptor, judge func(protoreflect.FieldDescriptor)) {
	for i := range before.Fields().Len() {
		field := before.Fields().Get(i)
		if now.Fields().ByNumber(field.Number()) == nil {
			judge(field)
		}
	}
}

func fieldsKept(p *pass, before, now protoreflect.MessageDescriptor) {
	removedFields(before, now, func(f protoreflect.FieldDescriptor) {
		p.report(numbered(f), place.Of(now), "%s was removed", describe(f))
	})
}

func fieldNumbersReserved(p *pass, before, now protoreflect.MessageDescriptor) {
	removedFields(before, now, func(f protoreflect.FieldDescriptor) {
		if !now.ReservedRanges().Has(f.Number()) {
			p.report(numbered(f), place.Of(now), "%s was removed and its number %d is not reserved", describe(f), f.Number())
		}
	})
}

func fieldNamesReserved(p *pass, before, now protoreflect.MessageDescriptor) {
	removedFields(before, now, func(f protoreflect.FieldDescriptor) {
		if !now.ReservedNames().Has(f.Name()) {
			p.report(numbered(f), place.Of(now), "%s was removed and its name %q is not reserved", describe(f), f.Name())
		}
	})
}

// valueNames are the names of each number of an enum, sorted; there are several with allow_alias.
func valueNames(e protoreflect.EnumDescriptor) map[protoreflect.EnumNumber][]string {
	names := make(map[protoreflect.EnumNumber][]string)
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		names[v.Number()] = append(names[v.Number()], string(v.Name()))
	}
	for _, list := range names {
		slices.Sort(list)
	}
	return names
}

// removedValues calls judge for each number of before that no value of now has, with its names.
func removedValues(before, now protoreflect.EnumDescriptor, judge func(number protoreflect.EnumNumber, names []string)) {
	for number, names := range valueNames(before) {
		if now.Values().ByNumber(number) == nil {
			judge(number, names)
		}
	}
}

func valueElement(e protoreflect.EnumDescriptor, number protoreflect.EnumNumber) string {
	return fmt.Sprintf("%s %d", e.FullName(), number)
}

func describeValue(e protoreflect.EnumDescriptor, number protoreflect.EnumNumber, names []string) string {
	return fmt.Sprintf("value %s (%d) of enum %s", strings.Join(names, ", "), number, e.FullName())
}

func valuesKept(p *pass, before, now protoreflect.EnumDescriptor) {
	removedValues(before, now, func(number protoreflect.EnumNumber, names []string) {
		p.report(valueElement(now, number), place.Of(now), "%s was removed", describeValue(now, number, names))
	})
}

func valueNumbersReserved(p *pass, before, now protoreflect.EnumDescriptor) {
	removedValues(before, now, func(number protoreflect.EnumNumber, names []string) {
		if !now.ReservedRanges().Has(number) {
			p.report(valueElement(now, number), place.Of(now), "%s was removed and its number is not reserved", describeValue(now, number, names))
		}
	})
}

func valueNamesReserved(p *pass, before, now protoreflect.EnumDescriptor) {
	removedValues(before, now, func(number protoreflect.EnumNumber, names []string) {
		free := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return now.ReservedNames().Has(protoreflect.Name(n)) })
		if len(free) > 0 {
			p.report(valueElement(now, number), place.Of(now), "%s was removed and the name %s is not reserved",
				describeValue(now, number, names), strings.Join(free, ", "))
		}
	})
}

// span is a range of numbers, both ends included.
type span struct{ first, last int64 }

func (s span) String() string {
	if s.first == s.last {
		return strconv.FormatInt(s.first, 10)
	}
	return fmt.Sprintf("%d to %d", s.first, s.last)
}

func fieldSpans(ranges protoreflect.FieldRanges) []span {
	list := make([]span, ranges.Len())
	for i := range list {
		r := ranges.Get(i)
		list[i] = span{int64(r[0]), int64(r[1]) - 1}
	}
	return list
}

func enumSpans(ranges protoreflect.EnumRanges) []span {
	list := make([]span, ranges.Len())
	for i := range list {
		r := ranges.Get(i)
		list[i] = span{int64(r[0]), int64(r[1])}
	}
	return list
}

// uncovered returns what of s no span of covers holds.
func uncovered(s span, covers []span) []span {
	sorted := slices.Clone(covers)
	slices.SortFunc(sorted, func(a, b span) int { return int(min(max(a.first-b.first, -1), 1)) })
	var free []span
	next := s.first
	for _, c := range sorted {
		if c.last < next || c.first > s.last {
			continue
		}
		if c.first > next {
			free = append(free, span{next, c.first - 1})
		}
		next = c.last + 1
	}
	if next <= s.last {
		free = append(free, span{next, s.last})
	}
	return free
}

// spansKept reports each span of before that now does not cover.
func (p *pass) spansKept(d protoreflect.Descriptor, before, now []span, format string) {
	for _, s := range before {
		free := uncovered(s, now)
		if len(free) == 0 {
			continue
		}
		texts := make([]string, len(free))
		for i, f := range free {
			texts[i] = f.String()
		}
		p.report(fmt.Sprintf("%s %v", d.FullName(), s), place.Of(d), format, strings.Join(texts, ", "), d.FullName())
	}
}

func (p *pass) namesKept(d protoreflect.Descriptor, before, now protoreflect.Names) {
	for i := range before.Len() {
		if name := before.Get(i); !now.Has(name) {
			p.report(fmt.Sprintf("%s %q", d.FullName(), name), place.Of(d), "the name %q is no longer reserved in %s", name, d.FullName())
		}
	}
}

const noLongerReserved = "%s is no longer reserved in %s"

func messageReserves(p *pass, before, now protoreflect.MessageDescriptor) {
	p.spansKept(now, fieldSpans(before.ReservedRanges()), fieldSpans(now.ReservedRanges()), noLongerReserved)
	p.namesKept(now, before.ReservedNames(), now.ReservedNames())
}

func enumReserves(p *pass, before, now protoreflect.EnumDescriptor) {
	p.spansKept(now, enumSpans(before.ReservedRanges()), enumSpans(now.ReservedRanges()), noLongerReserved)
	p.namesKept(now, before.ReservedNames(), now.ReservedNames())
}

func extensionRangesKept(p *pass, before, now protoreflect.MessageDescriptor) {
	p.spansKept(now, fieldSpans(before.ExtensionRanges()), fieldSpans(now.ExtensionRanges()), "%s is no longer open to extensions in %s")
}
