package main

import (
	"encoding/json"
	"net/http"
	"strconv"

	"waggle/client"
	"waggle/registry"
)

// plain is Waggle's registry behind net/http and encoding/json, without GraphQL.
type plain struct{ reg *registry.TelemetryRegistry }

func newPlain() http.Handler {
	p := plain{registry.New(registry.Config{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /heartbeat", p.heartbeat)
	mux.HandleFunc("POST /heartbeats", p.heartbeats)
	mux.HandleFunc("GET /workers", p.workers)
	return mux
}

func (p plain) heartbeat(w http.ResponseWriter, r *http.Request) {
	var in client.HeartbeatInput
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.answer(w, p.apply(&in))
}

func (p plain) heartbeats(w http.ResponseWriter, r *http.Request) {
	var in []*client.HeartbeatInput
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	all := make([]*client.HeartbeatPayload, len(in))
	for i := range in {
		all[i] = p.apply(in[i])
	}
	p.answer(w, all)
}

func (p plain) apply(in *client.HeartbeatInput) *client.HeartbeatPayload {
	hb := registry.Heartbeat{Hive: registry.HiveReport{ID: in.Hive.Id, Hostname: in.Hive.Hostname, Port: int32(in.Hive.Port), Version: in.Hive.Version}}
	for _, w := range in.Workers {
		hb.Workers = append(hb.Workers, registry.WorkerReport{Group: w.Group, Instance: w.Instance, PID: optInt(w.Pid), Model: optString(w.Model),
			Endpoint: optString(w.Endpoint), Telemetry: registry.Telemetry{
				GPUUtilizationPercent: optFloat(w.GpuUtilizationPercent), VRAMUsedMB: optInt(w.VramUsedMb), VRAMTotalMB: optInt(w.VramTotalMb),
				CPUPercent: optFloat(w.CpuPercent), RSSMB: optInt(w.RssMb), IOReadMBPerSecond: optFloat(w.IoReadMbPerSecond),
				IOWriteMBPerSecond: optFloat(w.IoWriteMbPerSecond), UptimeSeconds: optInt(w.UptimeSeconds),
				RequestsRunning: optInt(w.RequestsRunning), RequestsQueued: optInt(w.RequestsQueued)}})
	}
	terms, err := p.reg.Apply(&hb)
	if err != nil {
		terms.Warnings = append(terms.Warnings, err.Error())
	}
	return &client.HeartbeatPayload{Outcome: client.HeartbeatOutcome(terms.Outcome.String()), HiveId: terms.HiveID, Revision: terms.Revision.String(),
		NextHeartbeatMs: int(terms.NextHeartbeatMS), Warnings: terms.Warnings}
}

// plainWorker has the fields that the query of the others selects.
type plainWorker struct {
	ID         string  `json:"id"`
	Model      string  `json:"model"`
	Endpoint   string  `json:"endpoint"`
	Activity   string  `json:"activity"`
	GPUPercent float64 `json:"gpuUtilizationPercent"`
	VRAMFreeMB int32   `json:"vramFreeMb"`
}

func (p plain) workers(w http.ResponseWriter, r *http.Request) {
	model, idle := r.FormValue("model"), r.FormValue("idle") == "true"
	parsed, _ := strconv.ParseInt(r.FormValue("minFreeVramMb"), 10, 32)
	free := int32(parsed)
	page, err := p.reg.Snapshot().Workers(registry.WorkerQuery{First: 5, Filter: &registry.WorkerFilter{Model: &model, Idle: &idle, MinFreeVRAMMB: &free}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	nodes := make([]plainWorker, len(page.Nodes))
	for i, n := range page.Nodes {
		nodes[i] = plainWorker{n.ID, string(n.Model), string(n.Endpoint), n.Activity.String(), n.GPUUtilizationPercent.Value(), n.VRAMFreeMB.Value()}
	}
	p.answer(w, nodes)
}

func (plain) answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func optInt(v *int) registry.OptInt {
	if v == nil {
		return registry.OptInt{}
	}
	return registry.Int(int32(*v))
}

func optFloat(v *float64) registry.OptFloat {
	if v == nil {
		return registry.OptFloat{}
	}
	return registry.Float(*v)
}

func optString(v *string) registry.OptString {
	if v == nil {
		return ""
	}
	return registry.OptString(*v)
}
