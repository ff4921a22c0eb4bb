package client

import "strings"

// MirrorWorker is what a [Mirror] knows of a worker: what decides where work goes. It is never changed after it was
// given out; a changed worker is another MirrorWorker.
type MirrorWorker struct {
	// ID is `<hive>/<group>/<instance>`, unique in the fleet.
	ID string
	// Model it serves, exactly as reported; empty when unknown.
	Model string
	// Endpoint is where a scheduler reaches it; empty when unknown.
	Endpoint string
	// Activity says whether it is working right now.
	Activity Activity
	// Liveness of its hive.
	Liveness Liveness
	// Available is true when new work may be sent to its hive.
	Available bool
	// VRAMTotalMB is the GPU memory of its device or devices.
	VRAMTotalMB OptInt
	// VRAMFreeMB is the GPU memory it does not use.
	VRAMFreeMB OptInt
	// RequestsRunning is how many requests the engine works on.
	RequestsRunning OptInt
	// RequestsQueued is how many requests wait in the engine.
	RequestsQueued OptInt
}

// HiveID is the id of the hive that reports the worker.
func (w *MirrorWorker) HiveID() string {
	hive, _, _ := strings.Cut(w.ID, "/")
	return hive
}

// Group is the worker's service group, e.g. `llm`.
func (w *MirrorWorker) Group() string {
	_, rest, _ := strings.Cut(w.ID, "/")
	group, _, _ := strings.Cut(rest, "/")
	return group
}

// Instance says which one of the group it is, e.g. its port, `8080`.
func (w *MirrorWorker) Instance() string {
	return w.ID[strings.LastIndexByte(w.ID, '/')+1:]
}

// MirrorHive is what a [Mirror] knows of a hive. It is never changed after it was given out.
type MirrorHive struct {
	// ID is the alias the hive was given.
	ID string
	// Hostname is the name or address by which others reach the machine.
	Hostname string
	// OperationalStatus is what the hive says it is doing.
	OperationalStatus OperationalStatus
	// HealthStatus is how well the hive says it is.
	HealthStatus HealthStatus
	// HealthReason says why, in the hive's words; empty when it gave no reason.
	HealthReason string
	// Liveness says whether its heartbeats still arrive.
	Liveness Liveness
	// Available is true when new work may be sent here.
	Available bool
	// Cordoned is true when an operator said: no new work here.
	Cordoned bool
}

// Change is one entry's step from one [View] to the next: of a worker or of a hive, the other two fields are nil. Old
// is nil when the entry is new, New when it is gone.
type Change struct {
	OldWorker, NewWorker *MirrorWorker
	OldHive, NewHive     *MirrorHive
}
