package metrics

import (
	"bytes"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
)

// goFamilies are the runtime's own numbers, under client_golang's names.
var goFamilies = []struct{ name, kind, help, source string }{
	{"go_goroutines", "gauge", "Number of goroutines that currently exist.", "/sched/goroutines:goroutines"},
	{"go_gc_cycles_total_gc_cycles_total", "counter", "Count of all completed GC cycles.", "/gc/cycles/total:gc-cycles"},
	{"go_cpu_classes_gc_total_cpu_seconds_total", "counter", "Estimated total CPU time spent performing GC tasks.", "/cpu/classes/gc/total:cpu-seconds"},
	{"go_memstats_heap_alloc_bytes", "gauge", "Number of heap bytes allocated and still in use.", "/memory/classes/heap/objects:bytes"},
	{"go_memstats_alloc_bytes_total", "counter", "Total number of bytes allocated, even if freed.", "/gc/heap/allocs:bytes"},
	{"go_memstats_mallocs_total", "counter", "Total number of heap objects allocated, both live and gc-ed.", "/gc/heap/allocs:objects"},
	{"go_memstats_frees_total", "counter", "Total number of heap objects frees.", "/gc/heap/frees:objects"},
	{"go_memstats_next_gc_bytes", "gauge", "Number of heap bytes when next garbage collection will take place.", "/gc/heap/goal:bytes"},
	{"go_memstats_sys_bytes", "gauge", "Number of bytes obtained from system.", "/memory/classes/total:bytes"},
}

func writeRuntime(p *page) {
	samples := make([]metrics.Sample, len(goFamilies))
	for i, f := range goFamilies {
		samples[i].Name = f.source
	}
	metrics.Read(samples)
	for i, f := range goFamilies {
		switch samples[i].Value.Kind() {
		case metrics.KindUint64:
			p.single(f.name, f.kind, f.help, float64(samples[i].Value.Uint64()))
		case metrics.KindFloat64:
			p.single(f.name, f.kind, f.help, samples[i].Value.Float64())
		case metrics.KindBad, metrics.KindFloat64Histogram: // not of this Go version
		}
	}
	p.family("go_info", "gauge", "Information about the Go environment.")
	p.sample("go_info", label("version", runtime.Version()), "1")
}

// ticksPerSecond is USER_HZ, which Linux fixes at 100 for all that it shows in /proc.
const ticksPerSecond = 100

// writeProcess writes what Linux tells of the process, and nothing on other systems.
func writeProcess(p *page) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return
	}
	// The name, in brackets, may hold anything; the fields count from behind it (proc(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return
	}
	field := func(number int) float64 {
		value, err := strconv.ParseFloat(fields[number-3], 64)
		if err != nil {
			return 0
		}
		return value
	}
	p.single("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", (field(14)+field(15))/ticksPerSecond)
	p.single("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", field(23))
	p.single("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", field(24)*float64(os.Getpagesize()))
	if booted, ok := bootTime(); ok {
		p.single("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", booted+field(22)/ticksPerSecond)
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.single("process_open_fds", "gauge", "Number of open file descriptors.", float64(len(open)))
	}
}

func bootTime() (seconds float64, ok bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(stat)) {
		if value, found := strings.CutPrefix(line, "btime "); found {
			seconds, err = strconv.ParseFloat(strings.TrimSpace(value), 64)
			return seconds, err == nil
		}
	}
	return 0, false
}
