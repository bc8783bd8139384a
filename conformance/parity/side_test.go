package parity

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// patience bounds one request, and how long a request is repeated.
const patience = 15 * time.Second

// side is one of the two agents in the course of one case.
type side struct {
	url    string
	client *http.Client
	normal normalizer
	kept   map[string]string
}

func (s *side) expand(text string) string {
	for name, value := range s.kept {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// do sends the step's request, again and again while the step asks for it, and its Meanwhile besides.
func (s *side) do(ctx context.Context, step Step) ([]answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if len(step.Meanwhile) == 0 {
		return s.one(s.until(ctx, step))
	}
	type outcome struct {
		answers []answer
		err     error
	}
	first := make(chan outcome, 1)
	waiting := *s // what it keeps is its own until it is done
	waiting.kept = maps.Clone(s.kept)
	go func() {
		got, err := waiting.one(waiting.send(ctx, step))
		first <- outcome{got, err}
	}()
	var answers []answer
	for _, m := range step.Meanwhile {
		got, err := s.do(ctx, m)
		if err != nil {
			cancel()
			<-first
			return nil, err
		}
		answers = append(answers, got...)
	}
	waited := <-first
	maps.Copy(s.kept, waiting.kept)
	return append(answers, waited.answers...), waited.err
}

func (*side) one(a answer, err error) ([]answer, error) { return []answer{a}, err }

func (s *side) until(ctx context.Context, step Step) (answer, error) {
	text, wanted := strings.CutPrefix(step.Until, "!")
	for {
		a, err := s.send(ctx, step)
		if err != nil || step.Until == "" || strings.Contains(a.body, s.normal.text(text)) != wanted {
			return a, err
		}
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("%s: not %q within %v, but %s", step.Do, step.Until, patience, a)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *side) send(ctx context.Context, step Step) (answer, error) {
	method, path, _ := strings.Cut(s.expand(step.Do), " ")
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(s.expand(step.Body)))
	if err != nil {
		return answer{}, err
	}
	for name, value := range step.Header {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", step.Do, err)
	}
	if response.Header.Get("Content-Encoding") == "gzip" {
		if raw, err = gunzip(raw); err != nil {
			return answer{}, fmt.Errorf("%s: %w", step.Do, err)
		}
	}
	if index := response.Header.Get("X-Consul-Index"); index != "" {
		s.kept["index"] = index
	}
	for name, way := range step.Keep {
		if s.kept[name], err = find(raw, s.expand(way)); err != nil {
			return answer{}, fmt.Errorf("%s: %w in %s", step.Do, err, raw)
		}
	}
	form := formOf(raw)
	if step.IgnoreBody {
		raw = []byte(present(string(raw)))
	}
	return answer{
		status: response.StatusCode,
		header: normalHeader(response.Header, step.IgnoreHeaders),
		form:   form,
		body:   s.normal.body(raw, step.Ignore),
	}, nil
}

func gunzip(zipped []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
