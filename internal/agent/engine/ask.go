package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// askLlama asks llama.cpp. /health says 503 while the model loads; /slots is there unless it was switched off, /metrics
// only when it was switched on, and only it knows of requests that wait.
func (p *Probe) askLlama(ctx context.Context) (Answer, error) {
	var ignored any
	if err := p.get(ctx, "/health", &ignored); err != nil && !errors.Is(err, errAbsent) {
		return Answer{}, err
	}
	if p.server.Sleeps {
		return p.askSleeper(ctx)
	}
	var answer Answer
	var slots []struct {
		Processing *bool `json:"is_processing"`
		State      int   `json:"state"` // Before there was is_processing: 0 idle, 1 processing.
	}
	switch err := p.get(ctx, "/slots", &slots); {
	case err == nil:
		running := 0
		for _, s := range slots {
			if s.Processing != nil && *s.Processing || s.Processing == nil && s.State != 0 {
				running++
			}
		}
		answer.Running = &running
	case !errors.Is(err, errAbsent):
		return Answer{}, err
	}
	switch found, _, err := p.gauges(ctx, "llamacpp:requests_processing", "llamacpp:requests_deferred"); {
	case err == nil:
		answer.Queued = found.total("llamacpp:requests_deferred")
		if answer.Running == nil {
			answer.Running = found.total("llamacpp:requests_processing")
		}
	case !errors.Is(err, errAbsent):
		return Answer{}, err
	}
	return answer, nil
}

// askSleeper asks a llama.cpp that unloads its model when it is idle. /slots keeps it awake and wakes it, and so does
// /metrics in some versions, so its requests are known only while it sleeps: then there are none.
func (p *Probe) askSleeper(ctx context.Context) (Answer, error) {
	var properties struct {
		Sleeping bool `json:"is_sleeping"`
	}
	if err := p.get(ctx, "/props", &properties); err != nil && !errors.Is(err, errAbsent) {
		return Answer{}, err
	}
	if properties.Sleeping {
		return Answer{Running: new(0), Queued: new(0)}, nil
	}
	return Answer{}, nil
}

// askGauges asks an engine whose Prometheus page tells all.
func (p *Probe) askGauges(ctx context.Context, running, queued string) (Answer, error) {
	found, model, err := p.gauges(ctx, running, queued)
	if err != nil && !errors.Is(err, errAbsent) {
		return Answer{}, err
	}
	return Answer{Model: model, Running: found.total(running), Queued: found.total(queued)}, nil
}

// askSGLang asks SGLang, whose Prometheus page must be switched on; its loads are there without. Of old they were at
// /get_load, where a newer one answers as well, but writes a warning into its log each time.
func (p *Probe) askSGLang(ctx context.Context) (Answer, error) {
	answer, err := p.askGauges(ctx, "sglang:num_running_reqs", "sglang:num_queue_reqs")
	if err != nil || answer.Running != nil {
		return answer, err
	}
	type load struct { // Of one data parallel rank.
		Running  *int `json:"num_running_reqs"`
		Waiting  *int `json:"num_waiting_reqs"`
		Requests *int `json:"num_reqs"` // Of old, in place of those that run: all of them.
	}
	var list struct {
		Loads []load `json:"loads"`
	}
	err = p.get(ctx, "/v1/loads?include=core", &list)
	if errors.Is(err, errAbsent) {
		err = p.get(ctx, "/get_load", &list.Loads)
	}
	if errors.Is(err, errAbsent) {
		return answer, nil
	}
	if err != nil {
		return Answer{}, err
	}
	running, queued := 0, 0
	for _, l := range list.Loads {
		if l.Running == nil && l.Requests != nil && l.Waiting != nil && *l.Requests >= *l.Waiting {
			l.Running = new(*l.Requests - *l.Waiting)
		}
		if l.Running == nil || l.Waiting == nil || *l.Running < 0 || *l.Waiting < 0 {
			return answer, nil // Not what we know; better nothing than a wrong number.
		}
		running, queued = running+*l.Running, queued+*l.Waiting
	}
	if len(list.Loads) > 0 {
		answer.Running, answer.Queued = &running, &queued
	}
	return answer, nil
}

// askOllama asks Ollama which models it holds in memory, and once per model which file that is: again when the question
// failed, and at a slow pace when the answer did not say.
func (p *Probe) askOllama(ctx context.Context) (Answer, error) {
	var list struct {
		Models []struct {
			Name   string  `json:"name"`
			Digest string  `json:"digest"`
			VRAM   *uint64 `json:"size_vram"`
		} `json:"models"`
	}
	if err := p.get(ctx, "/api/ps", &list); err != nil {
		return Answer{}, err
	}
	answer := Answer{Loaded: []Loaded{}}
	blobs := map[string]blob{}
	for _, m := range list.Models {
		name := modelName(m.Name)
		if name == "" {
			continue
		}
		key := name + "@" + m.Digest
		file, ok := p.blobs[key]
		if !ok || file.name == "" && time.Since(file.asked) >= absentFor {
			name, err := p.askBlob(ctx, m.Name)
			file, ok = blob{name, time.Now()}, err == nil
		}
		if ok {
			blobs[key] = file
		}
		answer.Loaded = append(answer.Loaded, Loaded{Model: name, Blob: file.name, VRAMBytes: m.VRAM})
	}
	p.blobs = blobs
	return answer, nil
}

// askBlob asks which file a model is kept in: the FROM line of its model file ends with it. Empty when there is no such
// line; the runner can then be told only if it is the only one.
func (p *Probe) askBlob(ctx context.Context, name string) (string, error) {
	var shown struct {
		Modelfile string `json:"modelfile"`
	}
	body, err := json.Marshal(map[string]string{"model": name})
	if err != nil {
		return "", err
	}
	if err := p.do(ctx, http.MethodPost, "/api/show", body, func(r io.Reader) error {
		return json.NewDecoder(r).Decode(&shown)
	}); err != nil {
		return "", err
	}
	for line := range strings.Lines(shown.Modelfile) {
		if from, ok := strings.CutPrefix(strings.TrimSpace(line), "FROM "); ok {
			if blob := baseName(from); strings.HasPrefix(blob, "sha256-") {
				return blob, nil
			}
		}
	}
	return "", nil
}
