package simulate

import (
	"strconv"
	"strings"
	"time"
)

// AppendLegacy appends what a hive reports as rbee's hives do in POST /v1/hive-heartbeat, as far as it can be said there; sizes and units are as in
// a HeartbeatInput.
func (f *Fleet) AppendLegacy(b []byte, i int, now time.Time) []byte {
	h := f.hives[i]
	b = appendText(b, `{"hive":{"id":`, h.id)
	b = appendText(b, `,"hostname":`, h.host)
	b = append(b, `,"port":7835,"version":"0.1.0"`...)
	b = appendText(b, `,"operational_status":`, strings.ToLower(h.operationalStatus()))
	b = appendText(b, `,"health_status":{"status":`, strings.ToLower(h.healthStatus()))
	if h.unwell > 0 {
		b = appendText(b, `,"reason":`, unwellReason)
	}
	b = now.UTC().AppendFormat(append(b, `}},"timestamp":"`...), time.RFC3339Nano)
	b = append(b, `","workers":[`...)
	for _, w := range h.workers {
		if w.absent == 0 {
			b = w.appendLegacy(b, h)
		}
	}
	return append(endList(b), '}')
}

func (w *worker) appendLegacy(b []byte, h *hive) []byte {
	b = strconv.AppendInt(append(b, `{"group":"llm","instance":"`...), int64(w.instance), 10)
	b = appendInt(b, `","pid":`, w.pid)
	b = appendText(b, `,"model":`, w.model.name)
	b = appendFigure(b, `,"cpu_pct":`, w.cpu)
	b = appendInt(b, `,"rss_mb":`, w.rssMB())
	b = appendFigure(b, `,"io_r_mb_s":`, w.readMBps)
	b = appendInt(b, `,"io_w_mb_s":0,"uptime_s":`, w.up)
	b = appendFigure(b, `,"gpu_util_pct":`, w.percent)
	b = appendInt(b, `,"vram_mb":`, w.vramMB)
	b = appendInt(b, `,"total_vram_mb":`, h.kind.memoryMB)
	return append(b, "},"...)
}
