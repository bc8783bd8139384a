package store

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// BenchmarkDurableWrite measures writes that are on disk before the next one of the same writer, by how many write.
func BenchmarkDurableWrite(b *testing.B) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(strconv.Itoa(writers)+"writers", func(b *testing.B) {
			s, err := Open(b.TempDir(), silent)
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			}()
			var n atomic.Int64
			b.SetParallelism(writers) // per core
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					err := s.catalog.Write(func(w *catalog.Writer) error {
						return w.SetNode(&consulwire.Node{Node: "n" + strconv.FormatInt(i%1000, 10), Meta: map[string]string{"i": strconv.FormatInt(i, 10)}})
					})
					if err == nil {
						err = s.Settle(b.Context(), s.catalog.View().Index())
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}
