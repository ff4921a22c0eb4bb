package rbee

import (
	"errors"
	"time"

	"waggle/registry"
)

// event is one event of a hive's stream, as far as it could be understood.
type event struct {
	hiveID  string
	hive    registry.HiveReport
	sentAt  time.Time // zero when it is none that can be understood
	workers []registry.WorkerReport
	devices []registry.Device // told apart from the stream; nil: unchanged

	dropped int   // workers left out
	why     error // the first of them was
}

// readEvent reads an event of generation E or F. The queen it was made for was forgiving, and hives rely on it: what a hive says of itself may be
// anything, its time may be any text, and a malformed worker is left out.
func readEvent(data []byte, assumeVRAMMB int32) (*event, error) {
	e := &event{workers: make([]registry.WorkerReport, 0, 8)}
	err := decode(data, func(d *decoder) {
		d.Object([]string{"type", "hive_id", "hive_info", "timestamp", "workers"}, func(name string) {
			switch name {
			case "type":
				if d.string() != "telemetry" {
					d.Wrong(`must be "telemetry"`)
				}
			case "hive_id":
				e.hiveID = d.string()
			case "hive_info":
				hive := registry.HiveReport{}
				if d.Retry(func() { hive = d.hive() }) == nil {
					e.hive = hive
				}
			case "timestamp":
				e.sentAt, _ = parseTimestamp(d.string())
			case "workers":
				d.Array(func(int) {
					var w registry.WorkerReport
					if err := d.Retry(func() { w = d.worker(assumeVRAMMB) }); err != nil {
						e.drop(err)
						return
					}
					e.workers = append(e.workers, w)
				})
			}
		})
	})
	return e, err
}

func (e *event) drop(why error) {
	if e.dropped++; e.dropped == 1 {
		e.why = why
	}
}

// leaveOut removes what the registry does not take: what the hive says of itself, if it is wrong, and workers that are wrong or there twice.
func (e *event) leaveOut() {
	report := e.hive
	report.ID, report.Hostname = "x", "x" // they are not taken from here
	if report.Check() != nil {
		e.hive = registry.HiveReport{}
	}
	kept, seen := e.workers[:0], map[[2]string]bool{}
	for _, w := range e.workers {
		name := [2]string{w.Group, w.Instance}
		err := w.Check()
		if err == nil && seen[name] {
			err = errors.New("a group and instance are there twice")
		}
		if err != nil {
			e.drop(err)
			continue
		}
		seen[name] = true
		kept = append(kept, w)
	}
	e.workers = kept
}
