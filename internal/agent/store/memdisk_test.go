package store

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// memDisk is a disk that can crash, lose what was not synced, and fail.
type memDisk struct {
	mu      sync.Mutex
	names   map[string]*memFile // what the system shows
	durable map[string]*memFile // names that a power cut leaves for certain
	ops     int
	crashAt int                                // the operation from which on nothing happens any more; 0 never
	fault   func(n int, op, name string) error // an error of one operation, which does half its work
	random  *rand.Rand
}

type memFile struct {
	disk    *memDisk
	name    string
	data    []byte
	durable []byte
}

var errCrashed = errors.New("crashed")

func newMemDisk(seed uint64) *memDisk {
	return &memDisk{
		names: map[string]*memFile{}, durable: map[string]*memFile{},
		random: rand.New(rand.NewPCG(seed, 1)),
	}
}

// step counts an operation that changes something, and says whether it fails.
func (d *memDisk) step(op, name string) error {
	d.ops++
	if d.crashAt > 0 && d.ops >= d.crashAt {
		return errCrashed
	}
	if d.fault != nil {
		return d.fault(d.ops, op, name)
	}
	return nil
}

func (d *memDisk) Path(name string) string { return "data/" + name }

func (d *memDisk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.names)), nil
}

func (d *memDisk) Open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.names[name]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

func (d *memDisk) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("create", name); err != nil {
		return nil, err
	}
	f := &memFile{disk: d, name: name}
	if old := d.names[name]; old != nil {
		f.durable = old.durable
	}
	d.names[name] = f
	return f, nil
}

func (d *memDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("rename", from); err != nil {
		return err
	}
	f := d.names[from]
	if f == nil {
		return fs.ErrNotExist
	}
	delete(d.names, from)
	f.name = to
	d.names[to] = f
	return nil
}

func (d *memDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("remove", name); err != nil {
		return err
	}
	if d.names[name] == nil {
		return fs.ErrNotExist
	}
	delete(d.names, name)
	return nil
}

func (d *memDisk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("sync", ""); err != nil {
		return err
	}
	d.durable = maps.Clone(d.names)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *memFile) ReadAt(b []byte, offset int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if offset >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, offset int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	crashed := f.disk.crashAt > 0 && f.disk.ops >= f.disk.crashAt
	err := f.disk.step("write", f.name)
	if err != nil && !crashed {
		b = b[:f.disk.random.IntN(len(b)+1)] // short, or all of it although it failed
	} else if err != nil {
		return 0, err
	}
	end := offset + int64(len(b))
	if end > int64(len(f.data)) {
		f.data = append(f.data, make([]byte, end-int64(len(f.data)))...)
	}
	return copy(f.data[offset:], b), err
}

func (f *memFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.step("truncate", f.name); err != nil {
		return err
	}
	f.data = slices.Clone(f.data[:size])
	return nil
}

func (f *memFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.step("fsync", f.name); err != nil {
		return err
	}
	f.durable = slices.Clone(f.data)
	return nil
}

func (*memFile) Close() error { return nil }

// afterKill returns the disk as it is once the process was killed.
func (d *memDisk) afterKill(seed uint64) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newMemDisk(seed)
	for name, f := range d.names {
		after.names[name] = &memFile{disk: after, name: name, data: slices.Clone(f.data), durable: slices.Clone(f.durable)}
	}
	after.durable = maps.Clone(d.durable)
	for name, f := range after.durable {
		after.durable[name] = &memFile{disk: after, name: name, data: slices.Clone(f.durable), durable: slices.Clone(f.durable)}
	}
	return after
}

// afterPowerCut returns a disk that has what was synced, and of the rest whatever chance decides: names, lengths and
// single sectors.
func (d *memDisk) afterPowerCut(seed uint64) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newMemDisk(seed)
	all := maps.Clone(d.names)
	maps.Copy(all, d.durable)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		from := d.durable
		if after.random.IntN(2) == 0 {
			from = d.names
		}
		if f := from[name]; f != nil {
			data := f.cut(after.random)
			after.names[name] = &memFile{disk: after, name: name, data: data, durable: slices.Clone(data)}
		}
	}
	after.durable = maps.Clone(after.names)
	return after
}

func (f *memFile) cut(random *rand.Rand) []byte {
	size := len(f.durable)
	if more := len(f.data) - size; more != 0 && random.IntN(3) > 0 {
		size = len(f.data)
		if more > 0 {
			size -= random.IntN(more + 1)
		}
	}
	data := make([]byte, size)
	copy(data, f.durable)
	for at := 0; at < size; at += sector {
		if random.IntN(4) > 0 {
			copy(data[at:min(at+sector, size)], f.data[min(at, len(f.data)):])
		}
	}
	return data
}
