package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"waggle/internal/jsonwalk"
	"waggle/registry"
)

// Inputs are the input types that are read straight from JSON, for graphqlexec.Config.Inputs. Heartbeats are most of what a
// server does, and gqlgen's way over maps takes ten times as long.
func Inputs() map[string]func(*jsonwalk.Walker) any {
	readers := sync.Pool{New: func() any { return &heartbeatReader{} }}
	return map[string]func(*jsonwalk.Walker) any{
		"HeartbeatInput": func(w *jsonwalk.Walker) any {
			r := readers.Get().(*heartbeatReader)
			hb := r.read(w)
			readers.Put(r)
			return hb
		},
	}
}

// HeartbeatInput is the argument of the heartbeat mutations. A variable that stands for several is one heartbeat: it is immutable.
type HeartbeatInput struct{ *registry.Heartbeat }

// UnmarshalGQL takes what the function of Inputs has read of a variable, or the map that gqlgen makes of a literal.
func (in *HeartbeatInput) UnmarshalGQL(v any) error {
	switch v := v.(type) {
	case *registry.Heartbeat:
		in.Heartbeat = v
		return nil
	case map[string]any:
		fillLists(v)
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		w := jsonwalk.New(text)
		in.Heartbeat = (&heartbeatReader{}).read(&w)
		return w.End()
	default:
		return errors.New("must be an object of type HeartbeatInput")
	}
}

// fillLists makes empty lists of those that are nil, as gqlgen has them: in JSON they would be null, and "unchanged" in place
// of "none".
func fillLists(object map[string]any) {
	for name, v := range object {
		switch v := v.(type) {
		case []any:
			if v == nil {
				object[name] = []any{}
			}
		case map[string]any:
			fillLists(v)
		}
	}
}

// MarshalGQL is there for gqlgen only, which takes a type for one that reads itself when it writes itself, too.
func (in *HeartbeatInput) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, "null") }

// heartbeatReader reads one HeartbeatInput after the other, as strictly as the schema has it. What it keeps from one to the next spares
// memory and nothing else.
type heartbeatReader struct {
	*jsonwalk.Walker
	names   names
	workers []registry.WorkerReport // room for those of one heartbeat, until it is known how many there are
	devices []registry.Device
}

func (r *heartbeatReader) read(w *jsonwalk.Walker) *registry.Heartbeat {
	r.Walker = w
	hb := &registry.Heartbeat{}
	r.Object([]string{"hive", "workers", "devices?", "sentAt?", "incarnation?", "sequence?"}, func(name string) {
		switch name {
		case "hive":
			r.hive(&hb.Hive)
		case "workers":
			hb.Workers = readList(r, &r.workers, r.worker)
		case "devices":
			if !r.Null() {
				hb.Devices = readList(r, &r.devices, r.device) // nil would be "unchanged"
			}
		case "sentAt":
			hb.SentAt = r.optTime()
		case "incarnation":
			hb.Incarnation = r.optText()
		case "sequence":
			hb.Sequence = r.optInt()
		}
	})
	r.Walker = nil
	return hb
}

// readList reads a list by element into a room for it, and returns a copy of just its size. A value that is no list stands for the list of
// it, as the specification has it.
func readList[E any](r *heartbeatReader, room *[]E, element func(*E)) []E {
	list := (*room)[:0]
	read := func() {
		var zero E
		list = append(list, zero)
		element(&list[len(list)-1])
	}
	switch r.Next() {
	case '[':
		r.Array(func(int) { read() })
	case '{':
		read()
	default:
		r.Refuse(r.Raw(), "a list")
	}
	*room = list
	exact := make([]E, len(list))
	copy(exact, list)
	return exact
}

func (r *heartbeatReader) hive(h *registry.HiveReport) {
	r.Object([]string{"id", "hostname", "port", "version?", "operationalStatus?", "healthStatus?", "healthReason?"}, func(name string) {
		switch name {
		case "id":
			h.ID = r.id()
		case "hostname":
			h.Hostname = r.text()
		case "port":
			h.Port = r.int()
		case "version":
			h.Version = r.name()
		case "operationalStatus":
			h.OperationalStatus = enum(r, registry.Ready, registry.Starting, registry.Busy, registry.Stopping, registry.Stopped)
		case "healthStatus":
			h.HealthStatus = enum(r, registry.Healthy, registry.Degraded, registry.Unhealthy)
		case "healthReason":
			h.HealthReason = registry.OptString(r.optText())
		}
	})
}

func (r *heartbeatReader) device(d *registry.Device) {
	r.Object([]string{
		"id", "name", "kind", "memoryTotalMb?", "memoryUsedMb?", "utilizationPercent?", "temperatureCelsius?", "powerWatts?", "computeCapability?",
	}, func(name string) {
		switch name {
		case "id":
			d.ID = r.id()
		case "name":
			d.Name = r.name()
		case "kind":
			d.Kind = enum(r, registry.GPU, registry.CPU)
		case "memoryTotalMb":
			d.MemoryTotalMB = r.optInt()
		case "memoryUsedMb":
			d.MemoryUsedMB = r.optInt()
		case "utilizationPercent":
			d.UtilizationPercent = r.optFloat()
		case "temperatureCelsius":
			d.TemperatureCelsius = r.optFloat()
		case "powerWatts":
			d.PowerWatts = r.optFloat()
		case "computeCapability":
			d.ComputeCapability = registry.OptString(r.optName())
		}
	})
}

func (r *heartbeatReader) worker(w *registry.WorkerReport) {
	r.Object([]string{
		"group", "instance", "pid?", "model?", "endpoint?", "gpuUtilizationPercent?", "vramUsedMb?", "vramTotalMb?", "cpuPercent?", "rssMb?",
		"ioReadMbPerSecond?", "ioWriteMbPerSecond?", "uptimeSeconds?", "requestsRunning?", "requestsQueued?",
	}, func(name string) {
		switch name {
		case "group":
			w.Group = r.name()
		case "instance":
			w.Instance = r.name()
		case "pid":
			w.PID = r.optInt()
		case "model":
			w.Model = registry.OptString(r.optName())
		case "endpoint":
			w.Endpoint = registry.OptString(r.optText())
		case "gpuUtilizationPercent":
			w.GPUUtilizationPercent = r.optFloat()
		case "vramUsedMb":
			w.VRAMUsedMB = r.optInt()
		case "vramTotalMb":
			w.VRAMTotalMB = r.optInt()
		case "cpuPercent":
			w.CPUPercent = r.optFloat()
		case "rssMb":
			w.RSSMB = r.optInt()
		case "ioReadMbPerSecond":
			w.IOReadMBPerSecond = r.optFloat()
		case "ioWriteMbPerSecond":
			w.IOWriteMBPerSecond = r.optFloat()
		case "uptimeSeconds":
			w.UptimeSeconds = r.optInt()
		case "requestsRunning":
			w.RequestsRunning = r.optInt()
		case "requestsQueued":
			w.RequestsQueued = r.optInt()
		}
	})
}

// text reads a string.
func (r *heartbeatReader) text() string {
	if r.Next() != '"' {
		r.Refuse(r.Raw(), "a string")
		return ""
	}
	return string(r.Text())
}

// name reads a string that has probably been read before, and then shares its memory.
func (r *heartbeatReader) name() string {
	if r.Next() != '"' {
		return r.text() // which says what is wrong
	}
	return r.names.of(r.Text())
}

// optName reads such a string or null; null gives "".
func (r *heartbeatReader) optName() string {
	if r.Null() {
		return ""
	}
	return r.name()
}

// optText reads a string or null; null gives "".
func (r *heartbeatReader) optText() string {
	if r.Null() {
		return ""
	}
	return r.text()
}

// id reads a string, or a whole number, which stays as it is written.
func (r *heartbeatReader) id() string {
	if r.Next() == '"' {
		return r.text()
	}
	token := r.Raw()
	if _, ok := wholeNumber(token); !ok {
		r.Refuse(token, "a string or a whole number")
	}
	return string(token)
}

// int reads an integer of 32 bits. 3.0 and 3e2 are integers, as the specification allows.
func (r *heartbeatReader) int() int32 {
	if n, ok := r.PlainInt(); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
		return int32(n)
	} else if ok {
		r.Refuse(strconv.AppendInt(nil, n, 10), "an integer of 32 bits")
		return 0
	}
	token := r.Raw()
	n, ok := wholeNumber(token)
	if !ok || n < math.MinInt32 || n > math.MaxInt32 {
		r.Refuse(token, "an integer of 32 bits")
	}
	return int32(n)
}

// wholeNumber reads a number without fraction, as graphqlexec does for all other input.
func wholeNumber(token []byte) (int64, bool) {
	if n, err := strconv.ParseInt(string(token), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(token), 64) // takes nothing else that JSON knows
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// optInt reads an integer of 32 bits, or null as unknown.
func (r *heartbeatReader) optInt() registry.OptInt {
	if r.Null() {
		return registry.OptInt{}
	}
	return registry.Int(r.int())
}

// optFloat reads a number, or null as unknown.
func (r *heartbeatReader) optFloat() registry.OptFloat {
	if r.Null() {
		return registry.OptFloat{}
	}
	if v, ok := r.PlainDecimal(); ok {
		return registry.Float(v)
	}
	token := r.Raw()
	v, err := strconv.ParseFloat(string(token), 64)
	if err != nil {
		r.Refuse(token, "a number that 64 bits hold")
	}
	return registry.Float(v)
}

// optTime reads a time, or null as not told.
func (r *heartbeatReader) optTime() time.Time {
	if r.Null() {
		return time.Time{}
	}
	token := r.Raw()
	t, err := time.Parse(time.RFC3339Nano, textOf(token))
	if err != nil {
		r.Refuse(token, "a time as RFC 3339, e.g. 2026-01-31T12:00:00Z")
	}
	return t
}

// enum reads the name of one of the values.
func enum[T fmt.Stringer](r *heartbeatReader, values ...T) T {
	token := r.Raw()
	name, names := textOf(token), make([]string, len(values))
	for i, v := range values {
		names[i] = v.String()
		if names[i] == name {
			return v
		}
	}
	r.Refuse(token, strings.Join(names, ", "))
	return values[0]
}

// textOf returns the string that a value is; "" when it is none.
func textOf(token []byte) string {
	w := jsonwalk.New(token)
	return string(w.Text())
}
