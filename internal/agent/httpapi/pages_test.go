package httpapi

import (
	"fmt"
	"testing"
)

func TestPagesAreBounded(t *testing.T) {
	var p pages
	for i := range 3 * mostPages {
		p.get(fmt.Sprint(i), 1, false)
	}
	if len(p.kept) > mostPages {
		t.Errorf("%d pages are kept", len(p.kept))
	}
	for i := range 10 {
		one, _ := p.get(fmt.Sprint("large ", i), 1, false)
		p.grow(one, mostPageBytes/4)
	}
	if p.bytes > mostPageBytes {
		t.Errorf("%d bytes are kept", p.bytes)
	}
	for key := range p.kept {
		p.drop(key)
	}
	if p.bytes != 0 {
		t.Errorf("%d bytes of no page", p.bytes)
	}
}

func TestPages(t *testing.T) {
	var p pages
	first, _ := p.get("a", 5, false)
	if again, hit := p.get("a", 5, true); again != first || hit {
		t.Error("the same question at the same index got another page, or was told of a cache it had not asked")
	}
	newer, hit := p.get("a", 6, true)
	if newer == first || !hit {
		t.Error("a page of an older index was used, or who asked with ?cached was forgotten")
	}
	older, _ := p.get("a", 5, false)
	if older == newer || older == first {
		t.Error("an older view got another's page")
	}
	p.grow(older, 100)
	if again, _ := p.get("a", 6, false); again != newer {
		t.Error("an older view took the place of a newer one")
	}
}
