// Package rbee speaks the wire of the rbee project, in all its generations, so that its hives and dashboards find a registry where they look
// for their queen.
//
// Its promises:
//   - Every heartbeat becomes a [registry.Heartbeat] and goes through Apply, whichever generation sent it. What a hive cannot measure
//     and sends as 0 is unknown.
//   - A pushed body is taken whole or refused whole, and the answer says which field is wrong. In a pulled stream a malformed worker is left
//     out, counted, and logged once for each hive.
//   - A hive is subscribed to exactly once, however often it announces itself, and only at an address that the operator allows:
//     on every connection, redirects included, the address that is dialed is judged, not the name.
//   - A dashboard is sent every hive's newest telemetry. One that reads slowly skips what was replaced meanwhile, and is never silenced;
//     one that does not read at all is cut off, and no other notices.
//
// The facts about the wire are those of rbee's releases from October 2025 on, generations A to F.
package rbee
