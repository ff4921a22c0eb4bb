package registry

import "time"

// Heartbeat is one report of a hive and all its workers. From Apply on it is immutable: neither Apply nor anybody else may change it.
type Heartbeat struct {
	Hive        HiveReport
	SentAt      time.Time // the sender's clock; zero: not told
	Incarnation string    // of the sending agent; empty: not told
	Sequence    OptInt    // counts up within an incarnation
	Devices     []Device  // nil: unchanged
	Workers     []WorkerReport

	// Cadence is how often such a sender is known to beat, where its protocol says so. It stands in
	// for the observed cadence until there is one. Zero: not known.
	Cadence time.Duration
	// ReceivedAt is when it arrived, by our clock. Zero: now.
	ReceivedAt time.Time
}

// HiveReport is what a hive says of itself.
type HiveReport struct {
	ID                string
	Hostname          string
	Port              int32
	Version           string
	OperationalStatus OperationalStatus
	HealthStatus      HealthStatus
	HealthReason      OptString
}

// WorkerReport is what a hive says of one of its workers.
type WorkerReport struct {
	Group    string
	Instance string
	PID      OptInt
	Model    OptString
	Endpoint OptString
	Telemetry
}

// Outcome is what became of a heartbeat. All but Accepted change nothing.
type Outcome uint8

// The values of Outcome.
const (
	Accepted  Outcome = iota
	Duplicate         // this sequence number was accepted before
	Stale             // a later sequence number was accepted before
	Conflict          // another agent that took over this id is alive
	Invalid           // refused as it stands
)

func (o Outcome) String() string {
	return [...]string{"ACCEPTED", "DUPLICATE", "STALE", "CONFLICT", "INVALID"}[o]
}

// Terms is the registry's answer to a heartbeat.
type Terms struct {
	Outcome         Outcome
	HiveID          string
	Revision        Revision // of the registry after it
	NextHeartbeatMS int32
	Warnings        []string // what was mended, or why it was refused; at most MaxWarnings
}
