// Package registry is what is true about the fleet: hives, and the workers that hives report.
//
// There is exactly one registry, [TelemetryRegistry]. It stands on [HeartbeatRegistry], which holds anything
// that counts only as long as it is heard from. There is no registry of workers: a worker exists because its hive reports it.
//
// Its promises:
//   - One door: [TelemetryRegistry.Apply] takes in a heartbeat as one step that no reader sees half of, or
//     refuses it and changes nothing.
//   - Every change has its own [Revision]. A [Snapshot] is the whole fleet at one revision; it never changes, and who reads it, however
//     long, holds up nobody. To take one costs a few steps, and a wait for one Apply at the most.
//   - [TelemetryRegistry.Changes] holds what changed in each revision, so that a copy can be kept right from a
//     snapshot onwards without a gap and without a repeat.
//   - Liveness is judged by this machine's clock alone. A hive that goes OFFLINE takes its workers out of every
//     answer to a scheduler in the same revision.
//   - Unknown is unknown: it is never zero, and it satisfies no filter.
//
// The package does not log. It returns errors, records [Event] values, and counts.
package registry
