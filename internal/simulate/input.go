package simulate

import (
	"math"
	"strconv"
	"time"
)

// AppendInput appends what a hive reports as the JSON of a HeartbeatInput. A generator that makes ten thousand of them a second cannot afford to
// build them for an encoder first. No name in the catalog holds anything that JSON would escape.
func (f *Fleet) AppendInput(b []byte, i int, now time.Time) []byte {
	h := f.hives[i]
	b = appendText(b, `{"hive":{"id":`, h.id)
	b = appendText(b, `,"hostname":`, h.host)
	b = append(b, `,"port":7835,"version":"0.1.0"`...)
	b = appendText(b, `,"operationalStatus":`, h.operationalStatus())
	b = appendText(b, `,"healthStatus":`, h.healthStatus())
	if h.unwell > 0 {
		b = appendText(b, `,"healthReason":`, unwellReason)
	}
	b = append(now.UTC().AppendFormat(append(b, `},"sentAt":"`...), time.RFC3339Nano), '"')
	if h.ordered {
		b = appendText(b, `,"incarnation":`, h.incarnation)
		b = appendInt(b, `,"sequence":`, h.sequence)
	}
	b = append(b, `,"devices":[`...)
	for i := range h.gpus {
		b = h.appendDevice(b, i)
	}
	b = append(endList(b), `,"workers":[`...)
	for _, w := range h.workers {
		if w.absent == 0 {
			b = w.appendInput(b, h)
		}
	}
	return append(endList(b), '}')
}

// endList ends a list of which every element is followed by a comma.
func endList(b []byte) []byte {
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, ']')
}

const unwellReason = "GPU-0: temperature near its limit"

func (h *hive) operationalStatus() string {
	if h.starting > 0 {
		return "STARTING"
	}
	return "READY"
}

func (h *hive) healthStatus() string {
	if h.unwell > 0 {
		return "DEGRADED"
	}
	return "HEALTHY"
}

func (h *hive) appendDevice(b []byte, i int) []byte {
	g := &h.gpus[i]
	b = strconv.AppendInt(append(b, `{"id":"GPU-`...), int64(i), 10)
	b = appendText(b, `","name":`, h.kind.gpu)
	b = appendInt(b, `,"kind":"GPU","memoryTotalMb":`, h.kind.memoryMB)
	b = appendInt(b, `,"memoryUsedMb":`, g.usedMB)
	b = appendFigure(b, `,"utilizationPercent":`, g.percent)
	b = appendInt(b, `,"temperatureCelsius":`, g.celsius)
	b = appendFigure(b, `,"powerWatts":`, g.watts)
	return append(appendText(b, `,"computeCapability":`, h.kind.compute), "},"...)
}

func (w *worker) appendInput(b []byte, h *hive) []byte {
	b = strconv.AppendInt(append(b, `{"group":"llm","instance":"`...), int64(w.instance), 10)
	b = appendInt(b, `","pid":`, w.pid)
	b = appendText(b, `,"model":`, w.model.name)
	b = append(append(b, `,"endpoint":"http://`...), h.host...)
	b = appendInt(b, `:`, w.instance)
	b = appendFigure(b, `","gpuUtilizationPercent":`, w.percent)
	b = appendInt(b, `,"vramUsedMb":`, w.vramMB)
	b = appendInt(b, `,"vramTotalMb":`, h.kind.memoryMB)
	b = appendFigure(b, `,"cpuPercent":`, w.cpu)
	b = appendInt(b, `,"rssMb":`, w.rssMB())
	b = appendFigure(b, `,"ioReadMbPerSecond":`, w.readMBps)
	b = appendInt(b, `,"ioWriteMbPerSecond":0,"uptimeSeconds":`, w.up)
	if w.loading == 0 { // an engine that is not up yet tells nothing
		b = appendInt(b, `,"requestsRunning":`, w.running)
		b = appendInt(b, `,"requestsQueued":`, w.queued)
	}
	return append(b, "},"...)
}

func (w *worker) rssMB() int { return 2400 + w.model.sizeMB/20 }

func appendText(b []byte, key, value string) []byte {
	return append(append(append(append(b, key...), '"'), value...), '"')
}

func appendInt(b []byte, key string, value int) []byte {
	return strconv.AppendInt(append(b, key...), int64(value), 10)
}

// appendFigure keeps one digit after the point, as the tools do that measure such figures. None is negative.
func appendFigure(b []byte, key string, value float64) []byte {
	tenths := int64(math.Round(value * 10))
	b = strconv.AppendInt(append(b, key...), tenths/10, 10)
	if digit := tenths % 10; digit > 0 {
		b = append(b, '.', byte('0'+digit))
	}
	return b
}
