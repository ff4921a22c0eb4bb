package rbee

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"waggle/registry"
)

// What is written here is read by programs built for the bytes of serde_json: compact, fields in the order of declaration, floats always with
// a fraction or an exponent, no letter escaped that need not be.

const (
	frameBegin = "event: heartbeat\ndata: "
	frameEnd   = "\n\n"
)

// appendTelemetry appends the frame that tells dashboards about a hive and these workers.
func appendTelemetry(b []byte, hiveID string, at time.Time, workers []*registry.Worker) []byte {
	b = append(b, frameBegin+`{"type":"hive_telemetry","hive_id":`...)
	b = appendString(b, hiveID)
	b = append(b, `,"timestamp":`...)
	b = appendTime(b, at)
	b = append(b, `,"workers":[`...)
	for i, w := range workers {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendWorker(b, w)
	}
	return append(b, "]}"+frameEnd...)
}

// appendWorker appends a worker as generations C to F have it, with 0 for what is unknown.
func appendWorker(b []byte, w *registry.Worker) []byte {
	b = appendInt(append(b, `{"pid":`...), w.PID)
	b = appendString(append(b, `,"group":`...), w.Group)
	b = appendString(append(b, `,"instance":`...), w.Instance)
	b = appendFloat(append(b, `,"cpu_pct":`...), w.CPUPercent.Value())
	b = appendInt(append(b, `,"rss_mb":`...), w.RSSMB)
	b = appendFloat(append(b, `,"io_r_mb_s":`...), w.IOReadMBPerSecond.Value())
	b = appendFloat(append(b, `,"io_w_mb_s":`...), w.IOWriteMBPerSecond.Value())
	b = appendInt(append(b, `,"uptime_s":`...), w.UptimeSeconds)
	b = appendFloat(append(b, `,"gpu_util_pct":`...), w.GPUUtilizationPercent.Value())
	b = appendInt(append(b, `,"vram_mb":`...), w.VRAMUsedMB)
	b = appendInt(append(b, `,"total_vram_mb":`...), w.VRAMTotalMB)
	b = append(b, `,"model":`...)
	if w.Model == "" {
		return append(b, "null}"...)
	}
	return append(appendString(b, string(w.Model)), '}')
}

// appendQueen appends the frame that sums up the fleet, up to its timestamp, which is last. Only what is ONLINE counts.
func appendQueen(b []byte, snap *registry.Snapshot) []byte {
	var hives, hivesAvailable, workers, workersAvailable int
	var hiveIDs, workerIDs []byte
	for h := range snap.AllHives() {
		if h.Liveness != registry.Online {
			continue
		}
		hives++
		workers += len(h.Workers)
		if h.Available {
			hivesAvailable++
			workersAvailable += len(h.Workers)
		}
		hiveIDs = append(appendString(hiveIDs, h.ID), ',')
		for _, w := range h.Workers {
			// The form that dashboards know. It is the same for equal ports of different hives, which is theirs to bear.
			workerIDs = append(appendString(workerIDs, w.Group+"-"+w.Instance), ',')
		}
	}
	b = append(b, frameBegin+`{"type":"queen","workers_online":`...)
	b = strconv.AppendInt(b, int64(workers), 10)
	b = strconv.AppendInt(append(b, `,"workers_available":`...), int64(workersAvailable), 10)
	b = strconv.AppendInt(append(b, `,"hives_online":`...), int64(hives), 10)
	b = strconv.AppendInt(append(b, `,"hives_available":`...), int64(hivesAvailable), 10)
	b = append(append(b, `,"worker_ids":[`...), withoutLast(workerIDs)...)
	b = append(append(b, `],"hive_ids":[`...), withoutLast(hiveIDs)...)
	return append(b, `],"timestamp":`...)
}

func withoutLast(b []byte) []byte { return b[:max(len(b)-1, 0)] }

// appendQueenTime completes what appendQueen began.
func appendQueenTime(b []byte, at time.Time) []byte {
	return append(appendTime(b, at), "}"+frameEnd...)
}

func appendInt(b []byte, v registry.OptInt) []byte { return strconv.AppendInt(b, int64(v.Value()), 10) }

// appendFloat appends the shortest text that reads back as v, as the Rust crate ryu lays it out. What is no number is null.
func appendFloat(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	if size := math.Abs(v); size != 0 && (size < 1e-5 || size >= 1e16) {
		text := strconv.FormatFloat(v, 'e', -1, 64)
		mantissa, exponent, _ := strings.Cut(text, "e")
		n, _ := strconv.Atoi(exponent)
		return strconv.AppendInt(append(append(b, mantissa...), 'e'), int64(n), 10)
	}
	start := len(b)
	b = strconv.AppendFloat(b, v, 'f', -1, 64)
	if slices.Contains(b[start:], '.') {
		return b
	}
	return append(b, ".0"...)
}

// appendTime appends a time in UTC with "+00:00", and 0, 3, 6 or 9 digits of fraction, as many as it takes.
func appendTime(b []byte, t time.Time) []byte {
	layout := `"2006-01-02T15:04:05.000000000+00:00"`
	switch ns := t.Nanosecond(); {
	case ns == 0:
		layout = `"2006-01-02T15:04:05+00:00"`
	case ns%1e6 == 0:
		layout = `"2006-01-02T15:04:05.000+00:00"`
	case ns%1e3 == 0:
		layout = `"2006-01-02T15:04:05.000000+00:00"`
	}
	return t.UTC().AppendFormat(b, layout)
}

// appendString appends a JSON string. Nothing is escaped but quotes, backslashes and control characters.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		default:
			if at := strings.IndexByte("\b\f\n\r\t", c); at >= 0 {
				b = append(b, '\\', "bfnrt"[at])
			} else {
				const hex = "0123456789abcdef"
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
	}
	return append(b, '"')
}

func quoted(s string) []byte { return appendString(nil, s) }
