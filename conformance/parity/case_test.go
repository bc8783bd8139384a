package parity

// Case is a sequence of requests that shows one thing.
type Case struct {
	// Name says what is shown: it stands in the table beside the first step's method and path.
	Name  string
	Steps []Step
}

// Step is one request. In Do and Body, {name} stands for what an earlier step of the case kept, {index} for the
// X-Consul-Index of the step before, and {node} for the node's name.
type Step struct {
	Do     string // "PUT /v1/kv/a?flags=1"
	Body   string
	Header map[string]string
	// Keep takes values of the JSON answer for later steps: a name, and the way to the value ("ID", "0.Service.ID").
	Keep map[string]string
	// Until repeats the request until the answer's body has this text, or no longer has it when it begins with "!":
	// Consul takes over into its catalog what was registered with its agent a moment later.
	Until string
	// Meanwhile are requests sent once this one is on its way: it waits for what they change. They are compared too.
	Meanwhile []Step
	// Ignore names values of the JSON answer that are not compared ("Stats", "0.Output"; * for any one part of the way).
	Ignore []string
	// IgnoreBody compares only whether there is a body: it is no text.
	IgnoreBody bool
	// IgnoreHeaders names headers that are not compared.
	IgnoreHeaders []string
	// Differs explains why the two may answer differently here. Empty: they may not.
	Differs string
}

// area is a part of the API: its cases run one after another against one pair of agents.
type area struct {
	name   string
	cases  []Case
	consul []string // what Consul is configured with, in HCL
}
