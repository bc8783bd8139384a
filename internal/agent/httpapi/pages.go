package httpapi

import "sync"

// Bounds of the pages that are kept.
const (
	mostPages     = 512
	mostPageBytes = 32 << 20
)

// pages are answers, encoded, by question and index. A thousand clients that wait for the same are then answered at
// the price of one, and who asks again while nothing has changed costs no encoding. The zero value is ready.
type pages struct {
	mu    sync.Mutex
	kept  map[string]*page
	bytes int
}

// page is an answer. Its body is made by the first who needs it; the others wait for that.
type page struct {
	index uint64
	once  sync.Once
	body  []byte
	err   error

	onceZipped sync.Once
	zipped     []byte

	asked  bool // with ?cached, now or at an earlier index
	weight int  // what pages counts for it
	gone   bool // no longer among the pages
}

// get returns the page of a question at an index. hit tells one who asks with ?cached whether someone has before.
func (p *pages) get(key string, index uint64, cached bool) (one *page, hit bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.kept[key]
	if before != nil {
		hit = before.asked
		before.asked = hit || cached
	}
	if before != nil && before.index == index {
		return before, hit
	}
	one = &page{index: index, asked: hit || cached}
	if before != nil && before.index > index { // asked from an older view: not for others
		one.gone = true
		return one, hit
	}
	if p.kept == nil {
		p.kept = make(map[string]*page)
	}
	p.drop(key)
	p.makeRoom()
	one.weight = len(key)
	p.bytes += one.weight
	p.kept[key] = one
	return one, hit
}

// grow counts what a page has grown by.
func (p *pages) grow(one *page, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one.gone {
		return
	}
	p.bytes += bytes
	one.weight += bytes
	p.makeRoom()
}

// makeRoom drops pages, in no order, until the bounds are kept. It must be called with mu held.
func (p *pages) makeRoom() {
	for key := range p.kept {
		if len(p.kept) < mostPages && p.bytes <= mostPageBytes {
			return
		}
		p.drop(key)
	}
}

func (p *pages) drop(key string) {
	if one := p.kept[key]; one != nil {
		one.gone = true
		p.bytes -= one.weight
		delete(p.kept, key)
	}
}
