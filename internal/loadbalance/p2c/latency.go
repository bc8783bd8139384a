package p2c

import (
	"math"
	"sync/atomic"
)

// peak is a moving average that follows a rise at once and a fall slowly. It packs the average, in nanoseconds as
// a float32, and the time it was set at into one word, so that both change together. Zero means no sample.
type peak struct{ word atomic.Uint64 }

// tickBits is the resolution of the time in a word: 2^18 ns, a quarter of a millisecond. 31 bits of it
// hold six days, after which an untouched average looks fresh again; all others then do as well.
const tickBits = 18

func packPeak(value float64, now int64) uint64 {
	return uint64(math.Float32bits(float32(max(value, 1))))<<32 | uint64(uint32(now>>tickBits)) //nolint:gosec // wraps on purpose
}

// unpackPeak returns the average as it was set, and the nanoseconds since.
func unpackPeak(word uint64, now int64) (value float64, elapsed int64) {
	ticks := int32(uint32(now>>tickBits) - uint32(word)) //nolint:gosec // wraps on purpose
	return float64(math.Float32frombits(uint32(word >> 32))), max(int64(ticks), 0) << tickBits
}

// at returns the average as of now, and 0 when there is no sample.
func (p *peak) at(now int64, decay float64) float64 {
	word := p.word.Load()
	if word == 0 {
		return 0
	}
	value, elapsed := unpackPeak(word, now)
	if float64(elapsed) < decay/256 {
		return value
	}
	return max(value*math.Exp(-float64(elapsed)/decay), 1)
}

// last returns the average as its last sample left it, and 0 when there is no sample. Unlike at it does not
// make an endpoint that is seldom called look fast.
func (p *peak) last() float64 {
	return float64(math.Float32frombits(uint32(p.word.Load() >> 32))) // the upper half
}

// observe takes a sample in nanoseconds. Of the lower samples within one tick only the first counts.
func (p *peak) observe(sample float64, now int64, decay float64) {
	for {
		word := p.word.Load()
		next := packPeak(sample, now)
		if word != 0 {
			value, elapsed := unpackPeak(word, now)
			keep := math.Exp(-float64(elapsed) / decay)
			if sample < value*keep {
				if elapsed == 0 {
					return
				}
				next = packPeak(value*keep+sample*(1-keep), now)
			}
		}
		if p.word.CompareAndSwap(word, next) {
			return
		}
	}
}
