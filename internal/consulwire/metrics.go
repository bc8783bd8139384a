package consulwire

// MetricSummary is the answer of /v1/agent/metrics: an interval of ten seconds.
type MetricSummary struct {
	Timestamp string
	Gauges    []MetricGauge
	Points    []struct{}
	Counters  []MetricSample
	Samples   []MetricSample
}

// MetricGauge is a value at the moment.
type MetricGauge struct {
	Name   string
	Value  float64
	Labels map[string]string
}

// MetricSample sums up values; those of durations are milliseconds.
type MetricSample struct {
	Name   string
	Count  int
	Rate   float64
	Sum    float64
	Min    float64
	Max    float64
	Mean   float64
	Stddev float64
	Labels map[string]string
}

// Health counts things of one name by their health, for /v1/internal/ui/catalog-overview.
type Health struct {
	Name     string `json:",omitempty"`
	Total    int
	Passing  int
	Warning  int
	Critical int
}

// CatalogOverview is the answer of /v1/internal/ui/catalog-overview.
type CatalogOverview struct {
	Nodes    []Health
	Services []Health
	Checks   []Health
}
