package parity

import "strings"

// probe is a case of one request. What is given after it is the body.
func probe(name, do string, body ...string) Case {
	return Case{Name: name, Steps: []Step{{Do: do, Body: strings.Join(body, "")}}}
}

// ignoring returns the case with values of its last answer that are not compared.
func (c Case) ignoring(ways ...string) Case {
	last := &c.Steps[len(c.Steps)-1]
	last.Ignore = append(last.Ignore, ways...)
	return c
}

// differing returns the case with the reason why the last answers differ.
func (c Case) differing(why string) Case {
	c.Steps[len(c.Steps)-1].Differs = why
	return c
}

// with returns the case with headers in its last request: a name and a value, by turns.
func (c Case) with(header ...string) Case {
	last := &c.Steps[len(c.Steps)-1]
	last.Header = make(map[string]string, len(header)/2)
	for i := 0; i < len(header); i += 2 {
		last.Header[header[i]] = header[i+1]
	}
	return c
}

// after returns the case with steps before its own.
func (c Case) after(steps ...Step) Case {
	c.Steps = append(steps, c.Steps...)
	return c
}

// registered registers a service with the agent and waits until the catalog has it.
func registered(name, body string) []Step {
	return []Step{
		{Do: "PUT /v1/agent/service/register", Body: body},
		{Do: "GET /v1/catalog/service/" + name, Until: `"ServiceID"`},
	}
}

// until returns the case with its last request repeated until the answer has the text.
func (c Case) until(text string) Case {
	c.Steps[len(c.Steps)-1].Until = text
	return c
}
