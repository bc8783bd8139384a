package upgrade

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/rollout"
)

// Bounds of what is read from an instance.
const (
	measureTime = 2 * time.Second
	maxPage     = 8 << 20 // bytes
)

// measure reads what an instance counts.
func measure(ctx context.Context, in rollout.Instance) (rollout.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+in.Address+"/metrics", http.NoBody)
	if err != nil {
		return rollout.Sample{}, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if err != nil {
		return rollout.Sample{}, fmt.Errorf("get /metrics at %s: %w", in.Address, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return rollout.Sample{}, fmt.Errorf("get /metrics at %s: %s", in.Address, response.Status)
	}
	return readPage(io.LimitReader(response.Body, maxPage))
}

// readPage adds up a page in Prometheus's text format. Calls of gRPC's own services, such as health, are left out, and so
// are the times of streams.
func readPage(page io.Reader) (rollout.Sample, error) {
	var s rollout.Sample
	buckets := make(map[time.Duration]uint64) // cumulative
	lines := bufio.NewScanner(page)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, labels, value, ok := readLine(lines.Text())
		if !ok || strings.HasPrefix(labels["grpc_service"], "grpc.") || strings.HasSuffix(labels["handler"], " /metrics") {
			continue
		}
		count := uint64(max(value, 0))
		switch name {
		case "grpc_server_handled_total":
			s.Calls += count
			if code := labels["grpc_code"]; code != "OK" && code != "Canceled" {
				s.Failed += count
			}
		case "rpc_server_handled_total":
			s.Calls += count
			if labels["result"] != "ok" {
				s.Failed += count
			}
		case "http_requests_total":
			s.Calls += count
			if labels["code"] >= "400" {
				s.Failed += count
			}
		default:
			readTime(&s, buckets, name, labels, value)
		}
	}
	if err := lines.Err(); err != nil {
		return rollout.Sample{}, fmt.Errorf("read /metrics: %w", err)
	}
	bounds := make([]time.Duration, 0, len(buckets))
	for bound := range buckets {
		bounds = append(bounds, bound)
	}
	slices.Sort(bounds)
	before := uint64(0)
	for _, bound := range bounds {
		s.Buckets = append(s.Buckets, rollout.Bucket{UpTo: bound, Count: buckets[bound] - min(before, buckets[bound])})
		before = buckets[bound]
	}
	return s, nil
}

// readTime adds a line of a histogram of times.
func readTime(s *rollout.Sample, buckets map[time.Duration]uint64, name string, labels map[string]string, value float64) {
	family, part := name, ""
	if at := strings.LastIndexByte(name, '_'); at > 0 {
		family, part = name[:at], name[at+1:]
	}
	switch family {
	case "grpc_server_handling_seconds":
		if labels["grpc_type"] != "unary" {
			return
		}
	case "rpc_server_handling_seconds", "http_request_duration_seconds":
	default:
		return
	}
	switch part {
	case "sum":
		s.Total += time.Duration(value * float64(time.Second))
	case "count":
		s.Timed += uint64(max(value, 0))
	case "bucket":
		bound := time.Duration(math.MaxInt64)
		if seconds, err := strconv.ParseFloat(labels["le"], 64); err == nil && !math.IsInf(seconds, 1) {
			bound = time.Duration(seconds * float64(time.Second))
		}
		buckets[bound] += uint64(max(value, 0))
	}
}

// readLine takes apart name{label="value",…} number. A page is of whoever answers at the address: what is no such line
// is left out.
func readLine(line string) (name string, labels map[string]string, value float64, ok bool) {
	if strings.HasPrefix(line, "#") {
		return "", nil, 0, false
	}
	rest := line
	if at := strings.IndexAny(rest, "{ "); at > 0 {
		name, rest = rest[:at], rest[at:]
	}
	labels = make(map[string]string)
	for inside := strings.HasPrefix(rest, "{"); inside; {
		rest = strings.TrimLeft(rest, "{, ")
		if after, ended := strings.CutPrefix(rest, "}"); ended {
			rest = after
			break
		}
		key, quoted, found := strings.Cut(rest, "=")
		if !found {
			return "", nil, 0, false
		}
		prefix, err := strconv.QuotedPrefix(quoted)
		if err != nil {
			return "", nil, 0, false
		}
		if labels[key], err = strconv.Unquote(prefix); err != nil {
			return "", nil, 0, false
		}
		rest = quoted[len(prefix):]
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
	return name, labels, value, name != "" && err == nil && !math.IsNaN(value)
}
