package registry

import (
	"errors"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// fullHeartbeat has everything that a heartbeat can have, all of it good.
func fullHeartbeat() *Heartbeat {
	return &Heartbeat{
		Hive:        HiveReport{ID: "gpu-1", Hostname: "10.0.0.1", Port: 7835, Version: "1.0", HealthReason: "fine"},
		Incarnation: "abc", Sequence: Int(1),
		Devices: []Device{{
			ID: "GPU-0", Name: "NVIDIA H200", MemoryTotalMB: Int(1000), MemoryUsedMB: Int(10), UtilizationPercent: Float(5),
			TemperatureCelsius: Float(40), PowerWatts: Float(100), ComputeCapability: "9.0",
		}},
		Workers: []WorkerReport{{
			Group: "llm", Instance: "8080", PID: Int(1), Model: "llama", Endpoint: "http://10.0.0.1:8080",
			Telemetry: Telemetry{
				GPUUtilizationPercent: Float(1), VRAMUsedMB: Int(1), VRAMTotalMB: Int(2), CPUPercent: Float(1), RSSMB: Int(1),
				IOReadMBPerSecond: Float(1), IOWriteMBPerSecond: Float(1), UptimeSeconds: Int(1), RequestsRunning: Int(1), RequestsQueued: Int(1),
			},
		}},
	}
}

func TestWhatCannotBeTakenInIsRefusedAndChangesNothing(t *testing.T) {
	long := strings.Repeat("x", 600)
	for name, c := range map[string]struct {
		spoil func(hb *Heartbeat)
		field string
		why   string // part of the reason
	}{
		"no id":                   {func(hb *Heartbeat) { hb.Hive.ID = "" }, "hive.id", `"" must be a letter or digit`},
		"id with slash":           {func(hb *Heartbeat) { hb.Hive.ID = "a/b" }, "hive.id", `"a/b" must be`},
		"id with leading dot":     {func(hb *Heartbeat) { hb.Hive.ID = ".a" }, "hive.id", "letter or digit"},
		"id of 129":               {func(hb *Heartbeat) { hb.Hive.ID = long[:129] }, "hive.id", "127"},
		"id with line feed":       {func(hb *Heartbeat) { hb.Hive.ID = "a\nb" }, "hive.id", `"a\nb"`},
		"id not ASCII":            {func(hb *Heartbeat) { hb.Hive.ID = "bïene" }, "hive.id", `b\u00efene`},
		"no hostname":             {func(hb *Heartbeat) { hb.Hive.Hostname = "" }, "hive.hostname", "host name or IP address"},
		"hostname too long":       {func(hb *Heartbeat) { hb.Hive.Hostname = long[:254] }, "hive.hostname", "253"},
		"hostname with path":      {func(hb *Heartbeat) { hb.Hive.Hostname = "a/b" }, "hive.hostname", `"a/b"`},
		"hostname with user":      {func(hb *Heartbeat) { hb.Hive.Hostname = "a@b" }, "hive.hostname", `"a@b"`},
		"hostname with blank":     {func(hb *Heartbeat) { hb.Hive.Hostname = "a b" }, "hive.hostname", `"a b"`},
		"hostname in brackets":    {func(hb *Heartbeat) { hb.Hive.Hostname = "[::1]" }, "hive.hostname", `"[::1]"`},
		"hostname with port":      {func(hb *Heartbeat) { hb.Hive.Hostname = "gpu-1:9000" }, "hive.hostname", "without a port"},
		"hostname without a name": {func(hb *Heartbeat) { hb.Hive.Hostname = "-" }, "hive.hostname", `"-"`},
		"short IP address":        {func(hb *Heartbeat) { hb.Hive.Hostname = "127.1" }, "hive.hostname", `"127.1"`},
		"hostname with escape":    {func(hb *Heartbeat) { hb.Hive.Hostname = "a%zz" }, "hive.hostname", `"a%zz"`},
		"zone with blank":         {func(hb *Heartbeat) { hb.Hive.Hostname = "fe80::1%a b" }, "hive.hostname", `"fe80::1%a b"`},
		"port below":              {func(hb *Heartbeat) { hb.Hive.Port = -1 }, "hive.port", "-1 must be 0 to 65535"},
		"port above":              {func(hb *Heartbeat) { hb.Hive.Port = 65536 }, "hive.port", "65536 must be 0 to 65535"},
		"version too long":        {func(hb *Heartbeat) { hb.Hive.Version = long[:65] }, "hive.version", "64"},
		"version unprintable":     {func(hb *Heartbeat) { hb.Hive.Version = "\x1b[31m" }, "hive.version", `"\x1b[31m"`},
		"no such status":          {func(hb *Heartbeat) { hb.Hive.OperationalStatus = 99 }, "hive.operationalStatus", "99"},
		"no such health":          {func(hb *Heartbeat) { hb.Hive.HealthStatus = 99 }, "hive.healthStatus", "99"},
		"incarnation too long":    {func(hb *Heartbeat) { hb.Incarnation = long[:65] }, "incarnation", "64"},
		"incarnation broken":      {func(hb *Heartbeat) { hb.Incarnation = "\xff" }, "incarnation", "printable"},
		"sequence below":          {func(hb *Heartbeat) { hb.Sequence = Int(-1) }, "sequence", "-1 must be 0 or more"},
		"too many devices":        {func(hb *Heartbeat) { hb.Devices = make([]Device, 65) }, "devices", "65 entries, at most 64"},
		"device without id":       {func(hb *Heartbeat) { hb.Devices[0].ID = "" }, "devices[0].id", `"" must be 1 to 64`},
		"device name too long":    {func(hb *Heartbeat) { hb.Devices[0].Name = long[:257] }, "devices[0].name", "256"},
		"no such device kind":     {func(hb *Heartbeat) { hb.Devices[0].Kind = 9 }, "devices[0].kind", "9"},
		"capability too long":     {func(hb *Heartbeat) { hb.Devices[0].ComputeCapability = OptString(long[:65]) }, "devices[0].computeCapability", "64"},
		"device twice":            {func(hb *Heartbeat) { hb.Devices = append(hb.Devices, hb.Devices[0]) }, "devices[1].id", `"GPU-0" is already the id of devices[0]`},
		"too many workers":        {func(hb *Heartbeat) { hb.Workers = make([]WorkerReport, 257) }, "workers", "257 entries, at most 256"},
		"no group":                {func(hb *Heartbeat) { hb.Workers[0].Group = "" }, "workers[0].group", `"" must be`},
		"group with slash":        {func(hb *Heartbeat) { hb.Workers[0].Group = "a/b" }, "workers[0].group", `"a/b"`},
		"group of 65":             {func(hb *Heartbeat) { hb.Workers[0].Group = long[:65] }, "workers[0].group", "63"},
		"no instance":             {func(hb *Heartbeat) { hb.Workers[0].Instance = "" }, "workers[0].instance", `"" must be`},
		"instance with blank":     {func(hb *Heartbeat) { hb.Workers[0].Instance = "a b" }, "workers[0].instance", `"a b"`},
		"pid below":               {func(hb *Heartbeat) { hb.Workers[0].PID = Int(-5) }, "workers[0].pid", "-5 must be 0 or more"},
		"model too long":          {func(hb *Heartbeat) { hb.Workers[0].Model = OptString(long[:257]) }, "workers[0].model", "256"},
		"model with bell":         {func(hb *Heartbeat) { hb.Workers[0].Model = "a\a" }, "workers[0].model", `"a\a"`},
		"model not UTF-8":         {func(hb *Heartbeat) { hb.Workers[0].Model = "a\xff" }, "workers[0].model", `"a\xff"`},
		"endpoint of no web":      {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "file:///etc/passwd" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint with password":  {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://u:p@h/" }, "workers[0].endpoint", "without user or password"},
		"endpoint without host":   {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://:80/" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint bad escape":     {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://localhost/%zz" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint bad port":       {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://h:65536/" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint two ports":      {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://h:1:2/" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint in brackets":    {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://[h]/" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint at number":      {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://2130706433/" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint at hex number":  {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://0x7f.0x1/" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint at octal":       {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://0177.1/" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint at port 0":      {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://h:0/" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint with blank":     {func(hb *Heartbeat) { hb.Workers[0].Endpoint = "http://h/a b" }, "workers[0].endpoint", "http:// or https://"},
		"endpoint too long":       {func(hb *Heartbeat) { hb.Workers[0].Endpoint = OptString("http://" + long) }, "workers[0].endpoint", "512"},
		"worker twice": {func(hb *Heartbeat) {
			hb.Workers = append(hb.Workers, WorkerReport{Group: "llm", Instance: "1"}, WorkerReport{Group: "llm", Instance: "8080"})
		}, "workers", `group "llm", instance "8080" is there twice`},
		"the last of many": {func(hb *Heartbeat) {
			hb.Workers = append(hb.Workers, WorkerReport{Group: "llm", Instance: "1"}, WorkerReport{Group: "llm", Instance: "?"})
		}, "workers[2].instance", `"?" must be`},
	} {
		t.Run(name, func(t *testing.T) {
			reg := New(Config{})
			if _, err := reg.Apply(fullHeartbeat()); err != nil {
				t.Fatal(err)
			}
			before, events := reg.Snapshot(), reg.Events().Last()
			hb := fullHeartbeat()
			hb.Sequence = Int(2)
			c.spoil(hb)
			terms, err := reg.Apply(hb)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || terms.Outcome != Invalid {
				t.Fatalf("outcome %s, error %v", terms.Outcome, err)
			}
			if invalid.Field != c.field || !strings.Contains(invalid.Why, c.why) {
				t.Errorf("refused as %q, want %s and %q", invalid, c.field, c.why)
			}
			if len(terms.Warnings) != 1 || terms.Warnings[0] != err.Error() {
				t.Errorf("warnings %q, want the error", terms.Warnings)
			}
			if len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\x1b\a\n") || !utf8.ValidString(err.Error()) {
				t.Errorf("the error repeats what came in: %q", err)
			}
			if reg.Snapshot() != before || reg.Events().Last() != events || reg.Changes().Last() != before.Revision.Counter {
				t.Error("something was changed")
			}
			hb = fullHeartbeat() // its number was not used up either
			hb.Sequence = Int(2)
			if terms, _ := reg.Apply(hb); terms.Outcome != Accepted {
				t.Errorf("the next heartbeat was %s", terms.Outcome)
			}
		})
	}
}

// Containers have names of twelve hexadecimal digits, and sometimes they are all decimal.
func TestNamesThatLookLikeNumbersAreHostnames(t *testing.T) {
	for _, name := range []string{"123456789012", "1.2.3.4.5", "10.h", "0xg", "256.1", "127.0.0.256", "3f2a9c1d4e5b", "gpu_1.lan."} {
		if err := (HiveReport{ID: "a", Hostname: name}).Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestAbsurdFiguresAreMendedWithAWarning(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	worker := func(edit func(w *WorkerReport)) func(hb *Heartbeat) {
		return func(hb *Heartbeat) { edit(&hb.Workers[0]) }
	}
	device := func(edit func(d *Device)) func(hb *Heartbeat) {
		return func(hb *Heartbeat) { edit(&hb.Devices[0]) }
	}
	for name, c := range map[string]struct {
		spoil   func(hb *Heartbeat)
		warning string // "" for none
		got     func(h *Hive) any
		want    any
	}{
		"NaN": {worker(func(w *WorkerReport) { w.GPUUtilizationPercent = Float(nan) }), "workers[0].gpuUtilizationPercent: NaN is not 0 to 100",
			func(h *Hive) any { return h.Workers[0].GPUUtilizationPercent }, OptFloat{}},
		"NaN is not idle": {worker(func(w *WorkerReport) { w.GPUUtilizationPercent, w.RequestsRunning = Float(nan), OptInt{} }), "NaN",
			func(h *Hive) any { return h.Workers[0].Activity }, UnknownActivity},
		"infinite": {worker(func(w *WorkerReport) { w.CPUPercent = Float(inf) }), "workers[0].cpuPercent: +Inf is not 0 to 100000",
			func(h *Hive) any { return h.Workers[0].CPUPercent }, OptFloat{}},
		"minus infinite": {worker(func(w *WorkerReport) { w.IOReadMBPerSecond = Float(-inf) }), "workers[0].ioReadMbPerSecond: -Inf",
			func(h *Hive) any { return h.Workers[0].IOReadMBPerSecond }, OptFloat{}},
		"negative": {worker(func(w *WorkerReport) { w.GPUUtilizationPercent = Float(-1) }), "-1 is not 0 to 100, taken as unknown",
			func(h *Hive) any { return h.Workers[0].GPUUtilizationPercent }, OptFloat{}},
		"minus zero is zero": {worker(func(w *WorkerReport) { w.GPUUtilizationPercent = Float(math.Copysign(0, -1)) }), "",
			func(h *Hive) any { return math.Signbit(h.Workers[0].GPUUtilizationPercent.Value()) }, false},
		"a little too much": {worker(func(w *WorkerReport) { w.GPUUtilizationPercent = Float(100.4) }), "100.4 clipped to 100",
			func(h *Hive) any { return h.Workers[0].GPUUtilizationPercent }, Float(100)},
		"far too much": {worker(func(w *WorkerReport) { w.GPUUtilizationPercent = Float(4200) }), "4200 is not 0 to 100",
			func(h *Hive) any { return h.Workers[0].GPUUtilizationPercent }, OptFloat{}},
		"bytes for MB": {worker(func(w *WorkerReport) { w.VRAMUsedMB = Int(1 << 30) }), "workers[0].vramUsedMb: 1073741824 is not 0 to",
			func(h *Hive) any { return h.Workers[0].VRAMFreeMB }, OptInt{}},
		"negative memory is not free": {worker(func(w *WorkerReport) { w.VRAMUsedMB = Int(-8000) }), "workers[0].vramUsedMb: -8000",
			func(h *Hive) any { return h.Workers[0].VRAMFreeMB }, OptInt{}},
		"used above total": {worker(func(w *WorkerReport) { w.VRAMUsedMB, w.VRAMTotalMB = Int(math.MaxInt32>>6), Int(1) }), "workers[0].vramUsedMb: 33554431 is more than vramTotalMb, 1: nothing",
			func(h *Hive) any { return h.Workers[0].VRAMFreeMB }, Int(0)},
		"vramTotalMb": {worker(func(w *WorkerReport) { w.VRAMTotalMB = Int(-1) }), "workers[0].vramTotalMb",
			func(h *Hive) any { return h.Workers[0].VRAMTotalMB }, OptInt{}},
		"rssMb": {worker(func(w *WorkerReport) { w.RSSMB = Int(-1) }), "workers[0].rssMb",
			func(h *Hive) any { return h.Workers[0].RSSMB }, OptInt{}},
		"ioWrite": {worker(func(w *WorkerReport) { w.IOWriteMBPerSecond = Float(1e308) }), "workers[0].ioWriteMbPerSecond",
			func(h *Hive) any { return h.Workers[0].IOWriteMBPerSecond }, OptFloat{}},
		"uptime": {worker(func(w *WorkerReport) { w.UptimeSeconds = Int(-1) }), "workers[0].uptimeSeconds",
			func(h *Hive) any { return h.Workers[0].UptimeSeconds }, OptInt{}},
		"running": {worker(func(w *WorkerReport) { w.RequestsRunning = Int(-1) }), "workers[0].requestsRunning",
			func(h *Hive) any { return h.Workers[0].RequestsRunning }, OptInt{}},
		"queued": {worker(func(w *WorkerReport) { w.RequestsQueued = Int(math.MaxInt32) }), "workers[0].requestsQueued",
			func(h *Hive) any { return h.Workers[0].RequestsQueued }, OptInt{}},
		"device memory": {device(func(d *Device) { d.MemoryTotalMB = Int(-1) }), "devices[0].memoryTotalMb",
			func(h *Hive) any { return h.Devices[0].MemoryTotalMB }, OptInt{}},
		"device memory used": {device(func(d *Device) { d.MemoryUsedMB = Int(-1) }), "devices[0].memoryUsedMb",
			func(h *Hive) any { return h.Devices[0].MemoryUsedMB }, OptInt{}},
		"device memory used above total": {device(func(d *Device) { d.MemoryTotalMB, d.MemoryUsedMB = Int(10), Int(11) }), "devices[0].memoryUsedMb: 11 is more than memoryTotalMb, 10",
			func(h *Hive) any { return h.Devices[0].MemoryUsedMB }, Int(11)},
		"used of a total that is not known": {worker(func(w *WorkerReport) { w.VRAMUsedMB, w.VRAMTotalMB = Int(50), OptInt{} }), "",
			func(h *Hive) any { return h.Workers[0].VRAMFreeMB }, OptInt{}},
		"device utilization": {device(func(d *Device) { d.UtilizationPercent = Float(nan) }), "devices[0].utilizationPercent",
			func(h *Hive) any { return h.Devices[0].UtilizationPercent }, OptFloat{}},
		"temperature": {device(func(d *Device) { d.TemperatureCelsius = Float(-1001) }), "devices[0].temperatureCelsius",
			func(h *Hive) any { return h.Devices[0].TemperatureCelsius }, OptFloat{}},
		"a cold room": {device(func(d *Device) { d.TemperatureCelsius = Float(-20) }), "",
			func(h *Hive) any { return h.Devices[0].TemperatureCelsius }, Float(-20)},
		"power": {device(func(d *Device) { d.PowerWatts = Float(inf) }), "devices[0].powerWatts",
			func(h *Hive) any { return h.Devices[0].PowerWatts }, OptFloat{}},
		"reason too long": {func(hb *Heartbeat) { hb.Hive.HealthReason = OptString(strings.Repeat("é", 300)) }, "hive.healthReason: shortened",
			func(h *Hive) any { return string(h.Health.Reason) }, strings.Repeat("é", 256)},
		"reason with escapes": {func(hb *Heartbeat) { hb.Hive.HealthReason = "a\x1b[31m\nb\xff" }, "hive.healthReason",
			func(h *Hive) any { return string(h.Health.Reason) }, "a[31mb"},
		"a clock of year 1": {func(hb *Heartbeat) { hb.SentAt = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC) }, "",
			func(h *Hive) any { return h.ClockSkewMS }, Int(math.MinInt32)},
		"a clock of year 9999": {func(hb *Heartbeat) { hb.SentAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, "",
			func(h *Hive) any { return h.ClockSkewMS }, Int(math.MaxInt32)},
	} {
		t.Run(name, func(t *testing.T) {
			reg := New(Config{})
			hb := fullHeartbeat()
			c.spoil(hb)
			terms, err := reg.Apply(hb)
			if err != nil || terms.Outcome != Accepted {
				t.Fatalf("outcome %s, error %v", terms.Outcome, err)
			}
			if said := strings.Join(terms.Warnings, "\n"); !strings.Contains(said, c.warning) || c.warning == "" && said != "" {
				t.Errorf("warnings %q, want %q", said, c.warning)
			}
			if diff := cmp.Diff(c.want, c.got(reg.Snapshot().Hive("gpu-1")), figures); diff != "" {
				t.Errorf("mended value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsJustAllowedIsTaken(t *testing.T) {
	reg := New(Config{})
	hb := fullHeartbeat()
	hb.Hive.ID = "A" + strings.Repeat("._:-", 31) + "xyz"
	hb.Hive.Hostname, hb.Hive.Port = strings.Repeat("h", MaxHostnameLength), 65535
	hb.Hive.Version, hb.Incarnation = strings.Repeat("ü", MaxNameLength/2), strings.Repeat("i", MaxNameLength)
	hb.Devices = make([]Device, MaxDevices)
	for i := range hb.Devices {
		hb.Devices[i].ID = itoa(i)
	}
	hb.Workers = make([]WorkerReport, DefaultMaxWorkers)
	for i := range hb.Workers {
		hb.Workers[i] = WorkerReport{Group: strings.Repeat("g", MaxNameLength), Instance: itoa(i), Model: OptString(strings.Repeat("m", MaxTextLength))}
	}
	terms, err := reg.Apply(hb)
	if err != nil || len(terms.Warnings) > 0 {
		t.Fatalf("%v, %q", err, terms.Warnings)
	}
	h := reg.Snapshot().Hive(terms.HiveID)
	if len(h.Devices) != MaxDevices || len(h.Workers) != DefaultMaxWorkers {
		t.Errorf("%d devices, %d workers", len(h.Devices), len(h.Workers))
	}
}

func TestWarningsAreBoundedAndTheMostImportantComesFirst(t *testing.T) {
	reg := New(Config{})
	beat := func(incarnation string, sequence int32) Terms {
		hb := fullHeartbeat()
		hb.Incarnation, hb.Sequence = incarnation, Int(sequence)
		hb.Workers = make([]WorkerReport, 20)
		for i := range hb.Workers {
			hb.Workers[i] = WorkerReport{Group: "llm", Instance: itoa(i), Telemetry: Telemetry{GPUUtilizationPercent: Float(math.NaN())}}
		}
		terms, err := reg.Apply(hb)
		if err != nil {
			t.Fatal(err)
		}
		if len(terms.Warnings) != MaxWarnings {
			t.Errorf("%d warnings, want %d", len(terms.Warnings), MaxWarnings)
		}
		return terms
	}
	beat("a", 1)
	beat("b", 1)
	for _, terms := range []Terms{beat("a", 2), beat("b", 2)} {
		if !strings.Contains(terms.Warnings[0], "another agent") {
			t.Errorf("%s: the conflict is not the first of %q", terms.Outcome, terms.Warnings)
		}
	}
}

func TestAFullRegistryRefusesNewHivesOnly(t *testing.T) {
	reg := New(Config{MaxHives: 1, MaxWorkers: 1})
	apply := func(id string, workers int) error {
		hb := fullHeartbeat()
		hb.Hive.ID, hb.Incarnation = id, ""
		hb.Workers = make([]WorkerReport, workers)
		for i := range hb.Workers {
			hb.Workers[i] = WorkerReport{Group: "llm", Instance: itoa(i)}
		}
		_, err := reg.Apply(hb)
		return err
	}
	if err := apply("a", 1); err != nil {
		t.Fatal(err)
	}
	if err := apply("b", 1); err == nil || !strings.Contains(err.Error(), "holds 1 hives") {
		t.Errorf("a second hive: %v", err)
	}
	if err := apply("a", 1); err != nil {
		t.Errorf("the first one again: %v", err)
	}
	if err := apply("a", 2); err == nil || !strings.Contains(err.Error(), "at most 1") {
		t.Errorf("a second worker: %v", err)
	}
	reg.Remove("a")
	if err := apply("b", 1); err != nil {
		t.Errorf("after a removal: %v", err)
	}
}

func TestEndpoints(t *testing.T) {
	f := func(reported, hostname, want string) {
		t.Helper()
		if got := endpointOf(reported, hostname); string(got) != want {
			t.Errorf("%q on %s is reached at %q, want %q", reported, hostname, got, want)
		}
	}
	f("http://10.0.0.7:8080", "gpu-1", "http://10.0.0.7:8080")
	f("http://localhost:8080/v1", "gpu-1", "http://gpu-1:8080/v1")
	f("http://LocalHost:8080", "gpu-1", "http://gpu-1:8080")
	f("http://localhost.:8080", "gpu-1", "http://gpu-1:8080")
	f("http://localhost:8080", "fe80::1%eth0", "http://[fe80::1%25eth0]:8080")
	f("http://llm.localhost:8080", "gpu-1", "http://gpu-1:8080")
	f("https://127.0.0.1", "gpu-1", "https://gpu-1")
	f("http://127.3.2.1:8080", "10.0.0.1", "http://10.0.0.1:8080")
	f("http://[::1]:8080", "fd00::1", "http://[fd00::1]:8080")
	f("http://[::ffff:127.0.0.1]:8080", "gpu-1", "http://gpu-1:8080")
	f("http://0.0.0.0:8080", "gpu-1", "http://gpu-1:8080")
	f("http://[::]:8080", "gpu-1", "http://gpu-1:8080")
	f("http://localhost:8080", "127.0.0.1", "http://localhost:8080")
	f("http://localhost.example:8080", "gpu-1", "http://localhost.example:8080")
	f("http://host/?next=127.0.0.1", "gpu-1", "http://host/?next=127.0.0.1")
	f("http://localhost/v1", "fd00::1", "http://[fd00::1]/v1") // once without the brackets
	f("http://localhost:8080/a%20b?c=%zz", "gpu-1", "http://gpu-1:8080/a%20b?c=%zz")
	f("http://[fe80::1]:8080", "gpu-1", "http://[fe80::1]:8080")
	f("", "gpu-1", "")
}

// What is taken as a hostname and as an endpoint of a worker gives addresses that an HTTP client understands.
func FuzzEndpoint(f *testing.F) {
	f.Add("gpu-1", "http://localhost:8080/v1?a=b#c")
	f.Add("fd00::1", "https://127.0.0.1")
	f.Add("fe80::1%eth0", "http://[::]:80/a%20b")
	f.Add("gpu-1:9000", "http://h")
	f.Add("gpu-1", "http://h:1:2/")
	f.Add("[::1]", "http://[fe80::1%25eth0]:8080")
	f.Fuzz(func(t *testing.T, hostname, endpoint string) {
		hive := Hive{HiveProfile: &HiveProfile{Hostname: hostname}, Port: 7835}
		if (HiveReport{ID: "a", Hostname: hostname}).Check() != nil {
			return
		}
		if u, err := url.Parse(hive.Endpoint()); err != nil || u.Hostname() != hostname || u.Port() != "7835" {
			t.Errorf("hostname %q gives %q: %v", hostname, hive.Endpoint(), err)
		}
		if (WorkerReport{Group: "a", Instance: "b", Endpoint: OptString(endpoint)}).Check() != nil || endpoint == "" {
			return
		}
		reported, _ := url.Parse(endpoint)
		u, err := url.Parse(string(endpointOf(endpoint, hostname)))
		if err != nil || u.Port() != reported.Port() || u.EscapedPath() != reported.EscapedPath() || u.RawQuery != reported.RawQuery ||
			u.Hostname() != hostname && u.Hostname() != reported.Hostname() || isLocal(u.Hostname()) && !isLocal(hostname) {
			t.Errorf("%q on %q is reached at %q: %v", endpoint, hostname, endpointOf(endpoint, hostname), err)
		}
	})
}

func TestEndpointsFollowTheHostname(t *testing.T) {
	reg := New(Config{})
	for _, hostname := range []string{"old", "new"} {
		hb := fullHeartbeat()
		hb.Incarnation, hb.Hive.Hostname, hb.Workers[0].Endpoint = "", hostname, "http://localhost:8080"
		if _, err := reg.Apply(hb); err != nil {
			t.Fatal(err)
		}
	}
	if got := reg.Snapshot().Worker("gpu-1/llm/8080").Endpoint; got != "http://new:8080" {
		t.Errorf("endpoint %s", got)
	}
}

func TestParseRevision(t *testing.T) {
	rev := Revision{"ABC", math.MaxUint64}
	if got, err := ParseRevision(rev.String()); err != nil || got != rev {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", ".", "a", "a.", ".1", "a.-1", "a.1.2", "a.18446744073709551616", "a. 1", strings.Repeat("a", 33) + ".1"} {
		if got, err := ParseRevision(s); err == nil {
			t.Errorf("%q was read as %v", s, got)
		} else if !strings.Contains(err.Error(), "<epoch>.<counter>") {
			t.Errorf("%q: %v does not say what is allowed", s, err)
		}
	}
}

func FuzzParseRevision(f *testing.F) {
	for _, s := range []string{"ABCDEF.1", "a.0", ".", "a.+1", "é.1", "a.01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rev, err := ParseRevision(s)
		if err != nil {
			if len(err.Error()) > 500 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if again, err := ParseRevision(rev.String()); err != nil || again != rev {
			t.Errorf("%q was read as %v, which is read as %v, %v", s, rev, again, err)
		}
	})
}
