package graph

import (
	"github.com/99designs/gqlgen/graphql"

	"waggle/internal/graphqlplan"
	"waggle/registry"
)

// tables say how the object types that roots return are written straight from their records. What a table lacks, gqlgen writes.
type tables struct {
	workerPage *graphqlplan.Object[registry.WorkerPage]
	worker     *graphqlplan.Object[registry.Worker]
	hivePage   *graphqlplan.Object[registry.HivePage]
	hive       *graphqlplan.Object[registry.Hive]
	fleet      *graphqlplan.Object[registry.Fleet]
	fleetMap   *graphqlplan.Object[registry.FleetMap]
	event      *graphqlplan.Object[registry.Event]
	server     *graphqlplan.Object[ServerInfo]
	terms      *graphqlplan.Object[registry.Terms]
	update     *graphqlplan.Object[RegistryUpdate]
}

func newTables(reg *registry.TelemetryRegistry) *tables {
	worker, hive := &graphqlplan.Object[registry.Worker]{Name: "Worker"}, &graphqlplan.Object[registry.Hive]{Name: "Hive"}
	worker.Fields, hive.Fields = workerFields(hive, reg), hiveFields(worker)
	return &tables{
		workerPage: workerPageTable(worker), worker: worker,
		hivePage: hivePageTable(hive), hive: hive,
		fleet: fleetTable(), fleetMap: fleetMapTable(),
		event: eventTable(), server: serverTable(), terms: termsTable(),
		update: updateTable(hive, worker),
	}
}

func workerFields(hive *graphqlplan.Object[registry.Hive], reg *registry.TelemetryRegistry) map[string]graphqlplan.Field[registry.Worker] {
	leaf := graphqlplan.Leaf[registry.Worker]
	return map[string]graphqlplan.Field[registry.Worker]{
		"id":       leaf(func(b []byte, w *registry.Worker) []byte { return appendString(b, w.ID) }),
		"hiveId":   leaf(func(b []byte, w *registry.Worker) []byte { return appendString(b, w.HiveID) }),
		"hive":     graphqlplan.One(hive, func(w *registry.Worker) *registry.Hive { return w.Hive }),
		"group":    leaf(func(b []byte, w *registry.Worker) []byte { return appendString(b, w.Group) }),
		"instance": leaf(func(b []byte, w *registry.Worker) []byte { return appendString(b, w.Instance) }),
		"pid":      leaf(func(b []byte, w *registry.Worker) []byte { return appendOptInt(b, w.PID) }),
		"model":    leaf(func(b []byte, w *registry.Worker) []byte { return appendOptString(b, w.Model) }),
		"endpoint": leaf(func(b []byte, w *registry.Worker) []byte { return appendOptString(b, w.Endpoint) }),

		"activity":      leaf(func(b []byte, w *registry.Worker) []byte { return appendEnum(b, w.Activity) }),
		"activitySince": leaf(func(b []byte, w *registry.Worker) []byte { return appendDateTime(b, w.ActivitySince()) }),
		"liveness":      leaf(func(b []byte, w *registry.Worker) []byte { return appendEnum(b, w.Liveness()) }),
		"available":     leaf(func(b []byte, w *registry.Worker) []byte { return appendBool(b, w.Available()) }),

		"gpuUtilizationPercent": leaf(func(b []byte, w *registry.Worker) []byte { return appendOptFloat(b, w.GPUUtilizationPercent) }),
		"vramUsedMb":            leaf(func(b []byte, w *registry.Worker) []byte { return appendOptInt(b, w.VRAMUsedMB) }),
		"vramTotalMb":           leaf(func(b []byte, w *registry.Worker) []byte { return appendOptInt(b, w.VRAMTotalMB) }),
		"vramFreeMb":            leaf(func(b []byte, w *registry.Worker) []byte { return appendOptInt(b, w.VRAMFreeMB) }),
		"cpuPercent":            leaf(func(b []byte, w *registry.Worker) []byte { return appendOptFloat(b, w.CPUPercent) }),
		"rssMb":                 leaf(func(b []byte, w *registry.Worker) []byte { return appendOptInt(b, w.RSSMB) }),
		"ioReadMbPerSecond":     leaf(func(b []byte, w *registry.Worker) []byte { return appendOptFloat(b, w.IOReadMBPerSecond) }),
		"ioWriteMbPerSecond":    leaf(func(b []byte, w *registry.Worker) []byte { return appendOptFloat(b, w.IOWriteMBPerSecond) }),
		"uptimeSeconds":         leaf(func(b []byte, w *registry.Worker) []byte { return appendOptInt(b, w.UptimeSeconds) }),
		"requestsRunning":       leaf(func(b []byte, w *registry.Worker) []byte { return appendOptInt(b, w.RequestsRunning) }),
		"requestsQueued":        leaf(func(b []byte, w *registry.Worker) []byte { return appendOptInt(b, w.RequestsQueued) }),

		"history":    graphqlplan.One(historyTable(), func(w *registry.Worker) *registry.WorkerHistory { return reg.History(w.ID) }),
		"lastSeenAt": leaf(func(b []byte, w *registry.Worker) []byte { return appendDateTime(b, w.LastSeenAt()) }),
		"revision":   leaf(func(b []byte, w *registry.Worker) []byte { return appendRevision(b, w.Revision()) }),
	}
}

func historyTable() *graphqlplan.Object[registry.WorkerHistory] {
	leaf := graphqlplan.Leaf[registry.WorkerHistory]
	return &graphqlplan.Object[registry.WorkerHistory]{Name: "WorkerHistory", Fields: map[string]graphqlplan.Field[registry.WorkerHistory]{
		"stepMs": leaf(func(b []byte, h *registry.WorkerHistory) []byte { return appendInt(b, h.StepMS) }),
		"gpuUtilizationPercent": leaf(func(b []byte, h *registry.WorkerHistory) []byte {
			return appendArray(b, h.GPUUtilizationPercent, appendOptFloat)
		}),
		"vramUsedMb": leaf(func(b []byte, h *registry.WorkerHistory) []byte { return appendArray(b, h.VRAMUsedMB, appendOptInt) }),
	}}
}

func hiveFields(worker *graphqlplan.Object[registry.Worker]) map[string]graphqlplan.Field[registry.Hive] {
	leaf := graphqlplan.Leaf[registry.Hive]
	return map[string]graphqlplan.Field[registry.Hive]{
		"id":       leaf(func(b []byte, h *registry.Hive) []byte { return appendString(b, h.ID) }),
		"hostname": leaf(func(b []byte, h *registry.Hive) []byte { return appendString(b, h.Hostname) }),
		"port":     leaf(func(b []byte, h *registry.Hive) []byte { return appendInt(b, h.Port) }),
		"endpoint": leaf(func(b []byte, h *registry.Hive) []byte { return appendString(b, h.Endpoint()) }),
		"version":  leaf(func(b []byte, h *registry.Hive) []byte { return appendString(b, h.Version) }),

		"operationalStatus": leaf(func(b []byte, h *registry.Hive) []byte { return appendEnum(b, h.OperationalStatus) }),
		"health":            graphqlplan.One(healthTable(), func(h *registry.Hive) *registry.Health { return &h.Health }),
		"liveness":          leaf(func(b []byte, h *registry.Hive) []byte { return appendEnum(b, h.Liveness) }),
		"available":         leaf(func(b []byte, h *registry.Hive) []byte { return appendBool(b, h.Available) }),
		"cordoned":          leaf(func(b []byte, h *registry.Hive) []byte { return appendBool(b, h.Cordoned) }),
		"devices":           graphqlplan.Values(deviceTable(), func(h *registry.Hive) []registry.Device { return h.Devices }),
		"workers":           graphqlplan.List(worker, func(h *registry.Hive) []*registry.Worker { return h.Workers }),

		"firstSeenAt":         leaf(func(b []byte, h *registry.Hive) []byte { return appendDateTime(b, h.FirstSeenAt) }),
		"lastSeenAt":          leaf(func(b []byte, h *registry.Hive) []byte { return appendDateTime(b, h.LastSeenAt) }),
		"heartbeatIntervalMs": leaf(func(b []byte, h *registry.Hive) []byte { return appendOptInt(b, h.HeartbeatIntervalMS) }),
		"clockSkewMs":         leaf(func(b []byte, h *registry.Hive) []byte { return appendOptInt(b, h.ClockSkewMS) }),
		"revision":            leaf(func(b []byte, h *registry.Hive) []byte { return appendRevision(b, h.Revision) }),
	}
}

func healthTable() *graphqlplan.Object[registry.Health] {
	leaf := graphqlplan.Leaf[registry.Health]
	return &graphqlplan.Object[registry.Health]{Name: "Health", Fields: map[string]graphqlplan.Field[registry.Health]{
		"status": leaf(func(b []byte, h *registry.Health) []byte { return appendEnum(b, h.Status) }),
		"reason": leaf(func(b []byte, h *registry.Health) []byte { return appendOptString(b, h.Reason) }),
	}}
}

func deviceTable() *graphqlplan.Object[registry.Device] {
	leaf := graphqlplan.Leaf[registry.Device]
	return &graphqlplan.Object[registry.Device]{Name: "Device", Fields: map[string]graphqlplan.Field[registry.Device]{
		"id":                 leaf(func(b []byte, d *registry.Device) []byte { return appendString(b, d.ID) }),
		"name":               leaf(func(b []byte, d *registry.Device) []byte { return appendString(b, d.Name) }),
		"kind":               leaf(func(b []byte, d *registry.Device) []byte { return appendEnum(b, d.Kind) }),
		"memoryTotalMb":      leaf(func(b []byte, d *registry.Device) []byte { return appendOptInt(b, d.MemoryTotalMB) }),
		"memoryUsedMb":       leaf(func(b []byte, d *registry.Device) []byte { return appendOptInt(b, d.MemoryUsedMB) }),
		"utilizationPercent": leaf(func(b []byte, d *registry.Device) []byte { return appendOptFloat(b, d.UtilizationPercent) }),
		"temperatureCelsius": leaf(func(b []byte, d *registry.Device) []byte { return appendOptFloat(b, d.TemperatureCelsius) }),
		"powerWatts":         leaf(func(b []byte, d *registry.Device) []byte { return appendOptFloat(b, d.PowerWatts) }),
		"computeCapability":  leaf(func(b []byte, d *registry.Device) []byte { return appendOptString(b, d.ComputeCapability) }),
	}}
}

func workerPageTable(worker *graphqlplan.Object[registry.Worker]) *graphqlplan.Object[registry.WorkerPage] {
	leaf := graphqlplan.Leaf[registry.WorkerPage]
	return &graphqlplan.Object[registry.WorkerPage]{Name: "WorkerPage", Fields: map[string]graphqlplan.Field[registry.WorkerPage]{
		"revision":   leaf(func(b []byte, p *registry.WorkerPage) []byte { return appendRevision(b, p.Revision) }),
		"totalCount": leaf(func(b []byte, p *registry.WorkerPage) []byte { return appendInt(b, p.TotalCount()) }),
		"offset":     leaf(func(b []byte, p *registry.WorkerPage) []byte { return appendInt(b, p.Offset) }),
		"nodes":      graphqlplan.List(worker, func(p *registry.WorkerPage) []*registry.Worker { return p.Nodes }),
	}}
}

func hivePageTable(hive *graphqlplan.Object[registry.Hive]) *graphqlplan.Object[registry.HivePage] {
	leaf := graphqlplan.Leaf[registry.HivePage]
	return &graphqlplan.Object[registry.HivePage]{Name: "HivePage", Fields: map[string]graphqlplan.Field[registry.HivePage]{
		"revision":   leaf(func(b []byte, p *registry.HivePage) []byte { return appendRevision(b, p.Revision) }),
		"totalCount": leaf(func(b []byte, p *registry.HivePage) []byte { return appendInt(b, p.TotalCount()) }),
		"offset":     leaf(func(b []byte, p *registry.HivePage) []byte { return appendInt(b, p.Offset) }),
		"nodes":      graphqlplan.List(hive, func(p *registry.HivePage) []*registry.Hive { return p.Nodes }),
	}}
}

func fleetTable() *graphqlplan.Object[registry.Fleet] {
	leaf := graphqlplan.Leaf[registry.Fleet]
	return &graphqlplan.Object[registry.Fleet]{Name: "Fleet", Fields: map[string]graphqlplan.Field[registry.Fleet]{
		"revision":            leaf(func(b []byte, f *registry.Fleet) []byte { return appendRevision(b, f.Revision) }),
		"serverTime":          leaf(func(b []byte, f *registry.Fleet) []byte { return appendDateTime(b, f.ServerTime) }),
		"hives":               graphqlplan.One(hiveCountsTable(), func(f *registry.Fleet) *registry.HiveCounts { return &f.Hives }),
		"workers":             graphqlplan.One(workerCountsTable(), func(f *registry.Fleet) *registry.WorkerCounts { return &f.Workers }),
		"vramTotalMb":         leaf(func(b []byte, f *registry.Fleet) []byte { return appendInt(b, f.VRAMTotalMB) }),
		"vramUsedMb":          leaf(func(b []byte, f *registry.Fleet) []byte { return appendInt(b, f.VRAMUsedMB) }),
		"largestFreeVramMb":   leaf(func(b []byte, f *registry.Fleet) []byte { return appendInt(b, f.LargestFreeVRAMMB) }),
		"models":              modelsField(modelTable()),
		"heartbeatsPerSecond": leaf(func(b []byte, f *registry.Fleet) []byte { return appendFloat(b, f.HeartbeatsPerSecond) }),
	}}
}

// modelsField is Fleet.models(first:).
func modelsField(model *graphqlplan.Object[registry.ModelSummary]) graphqlplan.Field[registry.Fleet] {
	return func(c *graphqlplan.Compiler, f graphql.CollectedField) graphqlplan.Writer[registry.Fleet] {
		args, known := c.Arguments(f)
		first, isInt := args["first"].(int64)
		write := model.Compile(c, f.Selections)
		if !known || !isInt || write == nil {
			return nil
		}
		return func(b []byte, f *registry.Fleet) []byte {
			models, err := f.Models(int(first))
			if err != nil {
				return nil
			}
			return graphqlplan.AppendList(b, models, write)
		}
	}
}

func modelTable() *graphqlplan.Object[registry.ModelSummary] {
	leaf := graphqlplan.Leaf[registry.ModelSummary]
	return &graphqlplan.Object[registry.ModelSummary]{Name: "ModelSummary", Fields: map[string]graphqlplan.Field[registry.ModelSummary]{
		"model":             leaf(func(b []byte, m *registry.ModelSummary) []byte { return appendString(b, m.Model) }),
		"workers":           leaf(func(b []byte, m *registry.ModelSummary) []byte { return appendInt(b, m.Workers) }),
		"available":         leaf(func(b []byte, m *registry.ModelSummary) []byte { return appendInt(b, m.Available) }),
		"idle":              leaf(func(b []byte, m *registry.ModelSummary) []byte { return appendInt(b, m.Idle) }),
		"hives":             leaf(func(b []byte, m *registry.ModelSummary) []byte { return appendInt(b, m.Hives) }),
		"largestFreeVramMb": leaf(func(b []byte, m *registry.ModelSummary) []byte { return appendOptInt(b, m.LargestFreeVRAMMB) }),
	}}
}

func hiveCountsTable() *graphqlplan.Object[registry.HiveCounts] {
	leaf := graphqlplan.Leaf[registry.HiveCounts]
	return &graphqlplan.Object[registry.HiveCounts]{Name: "HiveCounts", Fields: map[string]graphqlplan.Field[registry.HiveCounts]{
		"total":     leaf(func(b []byte, c *registry.HiveCounts) []byte { return appendInt(b, c.Total) }),
		"online":    leaf(func(b []byte, c *registry.HiveCounts) []byte { return appendInt(b, c.Online) }),
		"suspect":   leaf(func(b []byte, c *registry.HiveCounts) []byte { return appendInt(b, c.Suspect) }),
		"offline":   leaf(func(b []byte, c *registry.HiveCounts) []byte { return appendInt(b, c.Offline) }),
		"available": leaf(func(b []byte, c *registry.HiveCounts) []byte { return appendInt(b, c.Available) }),
	}}
}

func workerCountsTable() *graphqlplan.Object[registry.WorkerCounts] {
	leaf := graphqlplan.Leaf[registry.WorkerCounts]
	return &graphqlplan.Object[registry.WorkerCounts]{Name: "WorkerCounts", Fields: map[string]graphqlplan.Field[registry.WorkerCounts]{
		"total":     leaf(func(b []byte, c *registry.WorkerCounts) []byte { return appendInt(b, c.Total) }),
		"available": leaf(func(b []byte, c *registry.WorkerCounts) []byte { return appendInt(b, c.Available) }),
		"idle":      leaf(func(b []byte, c *registry.WorkerCounts) []byte { return appendInt(b, c.Idle) }),
		"busy":      leaf(func(b []byte, c *registry.WorkerCounts) []byte { return appendInt(b, c.Busy) }),
		"unknown":   leaf(func(b []byte, c *registry.WorkerCounts) []byte { return appendInt(b, c.Unknown) }),
	}}
}

func fleetMapTable() *graphqlplan.Object[registry.FleetMap] {
	leaf := graphqlplan.Leaf[registry.FleetMap]
	return &graphqlplan.Object[registry.FleetMap]{Name: "FleetMap", Fields: map[string]graphqlplan.Field[registry.FleetMap]{
		"revision":      leaf(func(b []byte, m *registry.FleetMap) []byte { return appendRevision(b, m.Revision) }),
		"layoutVersion": leaf(func(b []byte, m *registry.FleetMap) []byte { return appendInt(b, m.LayoutVersion) }),
		"layout":        graphqlplan.Maybe(layoutTable(), func(m *registry.FleetMap) *registry.FleetMapLayout { return m.Layout }),
		"cells":         leaf(func(b []byte, m *registry.FleetMap) []byte { return appendString(b, m.Cells) }),
	}}
}

func layoutTable() *graphqlplan.Object[registry.FleetMapLayout] {
	leaf := graphqlplan.Leaf[registry.FleetMapGroup]
	group := &graphqlplan.Object[registry.FleetMapGroup]{Name: "FleetMapGroup", Fields: map[string]graphqlplan.Field[registry.FleetMapGroup]{
		"key":       leaf(func(b []byte, g *registry.FleetMapGroup) []byte { return appendString(b, g.Key) }),
		"workerIds": leaf(func(b []byte, g *registry.FleetMapGroup) []byte { return appendArray(b, g.WorkerIDs, appendString) }),
	}}
	return &graphqlplan.Object[registry.FleetMapLayout]{Name: "FleetMapLayout", Fields: map[string]graphqlplan.Field[registry.FleetMapLayout]{
		"groups": graphqlplan.List(group, func(l *registry.FleetMapLayout) []*registry.FleetMapGroup { return l.Groups }),
	}}
}

func eventTable() *graphqlplan.Object[registry.Event] {
	leaf := graphqlplan.Leaf[registry.Event]
	return &graphqlplan.Object[registry.Event]{Name: "RegistryEvent", Fields: map[string]graphqlplan.Field[registry.Event]{
		"revision": leaf(func(b []byte, e *registry.Event) []byte { return appendRevision(b, e.Revision) }),
		"at":       leaf(func(b []byte, e *registry.Event) []byte { return appendDateTime(b, e.At) }),
		"kind":     leaf(func(b []byte, e *registry.Event) []byte { return appendEnum(b, e.Kind) }),
		"hiveId":   leaf(func(b []byte, e *registry.Event) []byte { return appendString(b, e.HiveID) }),
		"workerId": leaf(func(b []byte, e *registry.Event) []byte { return appendOptString(b, e.WorkerID) }),
		"message":  leaf(func(b []byte, e *registry.Event) []byte { return appendString(b, e.Message) }),
	}}
}

func serverTable() *graphqlplan.Object[ServerInfo] {
	leaf := graphqlplan.Leaf[ServerInfo]
	return &graphqlplan.Object[ServerInfo]{Name: "ServerInfo", Fields: map[string]graphqlplan.Field[ServerInfo]{
		"version":   leaf(func(b []byte, s *ServerInfo) []byte { return appendString(b, s.Version) }),
		"epoch":     leaf(func(b []byte, s *ServerInfo) []byte { return appendString(b, s.Epoch) }),
		"startedAt": leaf(func(b []byte, s *ServerInfo) []byte { return appendDateTime(b, s.StartedAt) }),
		"mode":      leaf(func(b []byte, s *ServerInfo) []byte { return appendEnum(b, s.Mode) }),
	}}
}

func termsTable() *graphqlplan.Object[registry.Terms] {
	leaf := graphqlplan.Leaf[registry.Terms]
	return &graphqlplan.Object[registry.Terms]{Name: "HeartbeatPayload", Fields: map[string]graphqlplan.Field[registry.Terms]{
		"outcome":         leaf(func(b []byte, t *registry.Terms) []byte { return appendEnum(b, t.Outcome) }),
		"hiveId":          leaf(func(b []byte, t *registry.Terms) []byte { return appendString(b, t.HiveID) }),
		"revision":        leaf(func(b []byte, t *registry.Terms) []byte { return appendRevision(b, t.Revision) }),
		"nextHeartbeatMs": leaf(func(b []byte, t *registry.Terms) []byte { return appendInt(b, t.NextHeartbeatMS) }),
		"warnings":        leaf(func(b []byte, t *registry.Terms) []byte { return appendArray(b, t.Warnings, appendString) }),
	}}
}

func updateTable(hive *graphqlplan.Object[registry.Hive], worker *graphqlplan.Object[registry.Worker]) *graphqlplan.Object[RegistryUpdate] {
	leaf := graphqlplan.Leaf[RegistryUpdate]
	return &graphqlplan.Object[RegistryUpdate]{Name: "RegistryUpdate", Fields: map[string]graphqlplan.Field[RegistryUpdate]{
		"revision": leaf(func(b []byte, u *RegistryUpdate) []byte { return appendRevision(b, u.Revision) }),
		"reset": leaf(func(b []byte, u *RegistryUpdate) []byte {
			if u.Reset == nil {
				return append(b, "null"...)
			}
			return appendEnum(b, *u.Reset)
		}),
		"complete": leaf(func(b []byte, u *RegistryUpdate) []byte { return appendBool(b, u.Complete) }),
		"hives":    graphqlplan.List(hive, func(u *RegistryUpdate) []*registry.Hive { return u.Hives }),
		"workers":  graphqlplan.List(worker, func(u *RegistryUpdate) []*registry.Worker { return u.Workers }),
		"removed":  graphqlplan.List(removalTable(), func(u *RegistryUpdate) []*Removal { return u.Removed }),
	}}
}

func removalTable() *graphqlplan.Object[Removal] {
	leaf := graphqlplan.Leaf[Removal]
	return &graphqlplan.Object[Removal]{Name: "Removal", Fields: map[string]graphqlplan.Field[Removal]{
		"id":     leaf(func(b []byte, r *Removal) []byte { return appendString(b, r.ID) }),
		"kind":   leaf(func(b []byte, r *Removal) []byte { return appendEnum(b, r.Kind) }),
		"reason": leaf(func(b []byte, r *Removal) []byte { return appendEnum(b, r.Reason) }),
	}}
}
