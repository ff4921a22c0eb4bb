package registry

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a heartbeat. What passes them is refused, but for figures, which become unknown.
const (
	MaxIDLength          = 128
	MaxNameLength        = 64 // group, instance, device id, version, incarnation, compute capability
	MaxHostnameLength    = 253
	MaxTextLength        = 256 // model, device name
	MaxReasonLength      = 512 // health reason, endpoint
	MaxDevices           = 64
	MaxWarnings          = 8
	DefaultMaxWorkers    = 256
	maxMemoryMB          = 1 << 26 // 64 TB: more is no machine, but a wrong unit
	maxPercentOfOneCore  = 100_000
	maxRequests          = 1_000_000
	maxMBPerSecond       = 10_000_000
	maxUptimeSeconds     = math.MaxInt32
	maxCelsius, maxWatts = 1000, 100_000
)

// InvalidError says which value of a heartbeat is wrong, why, and what is allowed.
type InvalidError struct {
	Field string // e.g. "workers[3].group"
	Why   string // with the value, shortened and quoted, and what is allowed
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Why }

// checker validates one heartbeat: identities must be right, figures are mended with a warning.
type checker struct {
	err      *InvalidError
	warnings []string
}

// check refuses what cannot be taken in, and mends the rest: figures in copies of their lists, since the lists are the sender's. Unless the
// texts of its digest are known, and so valid, it returns in which order the workers are sorted.
func check(hb *Heartbeat, maxWorkers int, textsKnown bool) (order []int32, warnings []string, err *InvalidError) {
	c := &checker{}
	c.hive(&hb.Hive, textsKnown)
	if !textsKnown && (len(hb.Incarnation) > MaxNameLength || !printable(hb.Incarnation)) {
		c.refuse("incarnation", "%s must be at most %d printable characters", quote(hb.Incarnation), MaxNameLength)
	}
	if hb.Sequence.Known() && hb.Sequence.Value() < 0 {
		c.refuse("sequence", "%d must be 0 or more", hb.Sequence.Value())
	}
	if len(hb.Devices) > MaxDevices {
		c.refuse("devices", "%d entries, at most %d are allowed", len(hb.Devices), MaxDevices)
	}
	if len(hb.Workers) > maxWorkers {
		c.refuse("workers", "%d entries, at most %d are allowed", len(hb.Workers), maxWorkers)
	}
	for i := 0; i < len(hb.Devices) && !textsKnown; i++ {
		if c.err != nil {
			return nil, nil, c.err
		}
		c.device(hb.Devices, i)
	}
	for i := 0; i < len(hb.Workers) && !textsKnown; i++ {
		if c.err != nil {
			return nil, nil, c.err
		}
		c.profile(hb.Workers, i)
	}
	if !textsKnown && c.err == nil {
		order = c.unique(hb.Workers)
	}
	if c.err != nil {
		return nil, nil, c.err
	}
	hb.Devices = mended(hb.Devices, (*Device).isPlausible, c.deviceFigures)
	hb.Workers = mended(hb.Workers, (*WorkerReport).isPlausible, c.telemetry)
	return order, c.warnings, nil
}

// mended returns a list of which every element is plausible: the list itself, or one in which each of those that are not was mended.
func mended[E any](list []E, isPlausible func(*E) bool, mend func(e *E, i int)) []E {
	copied := false
	for i := range list {
		if isPlausible(&list[i]) {
			continue
		}
		if !copied {
			list, copied = slices.Clone(list), true
		}
		mend(&list[i], i)
	}
	return list
}

// Check returns the *InvalidError for which Apply would refuse a heartbeat with this report; nil when there is none.
func (r HiveReport) Check() error {
	c := &checker{}
	c.hive(&r, false)
	if c.err != nil {
		return c.err
	}
	return nil
}

// Check returns the *InvalidError for which Apply would refuse a heartbeat of this one worker; nil when there is none.
func (r WorkerReport) Check() error {
	c := &checker{}
	c.profile([]WorkerReport{r}, 0)
	if c.err != nil {
		return c.err
	}
	return nil
}

// unique refuses twins, and returns in which order the workers are sorted.
func (c *checker) unique(workers []WorkerReport) []int32 {
	order, twin := sortedOrder(workers)
	if twin != nil {
		c.refuse("workers", "group %s, instance %s is there twice; group and instance must be unique together", quote(twin.Group), quote(twin.Instance))
	}
	return order
}

func (c *checker) hive(h *HiveReport, textsKnown bool) {
	switch {
	case !textsKnown && !isName(h.ID, MaxIDLength):
		c.refuse("hive.id", "%s must be a letter or digit, then up to %d letters, digits or . _ : -", quote(h.ID), MaxIDLength-1)
	case !textsKnown && (h.Hostname == "" || len(h.Hostname) > MaxHostnameLength || !isHost(h.Hostname)):
		c.refuse("hive.hostname", "%s must be a host name or IP address, without a port, of at most %d characters", quote(h.Hostname), MaxHostnameLength)
	case h.Port < 0 || h.Port > math.MaxUint16:
		c.refuse("hive.port", "%d must be 0 to 65535", h.Port)
	case !textsKnown && (len(h.Version) > MaxNameLength || !printable(h.Version)):
		c.refuse("hive.version", "%s must be at most %d printable characters", quote(h.Version), MaxNameLength)
	case h.OperationalStatus > Stopped:
		c.refuse("hive.operationalStatus", "%d is no operational status", h.OperationalStatus)
	case h.HealthStatus > Unhealthy:
		c.refuse("hive.healthStatus", "%d is no health status", h.HealthStatus)
	}
	if len(h.HealthReason) > MaxReasonLength || !printable(string(h.HealthReason)) {
		h.HealthReason = OptString(clip(string(h.HealthReason), MaxReasonLength))
		c.warn("hive.healthReason", "shortened to %d printable characters", MaxReasonLength)
	}
}

func (c *checker) device(all []Device, i int) {
	d := &all[i]
	at := func(field string) string { return fmt.Sprintf("devices[%d].%s", i, field) }
	switch {
	case d.ID == "" || len(d.ID) > MaxNameLength || !printable(d.ID):
		c.refuse(at("id"), "%s must be 1 to %d printable characters", quote(d.ID), MaxNameLength)
	case len(d.Name) > MaxTextLength || !printable(d.Name):
		c.refuse(at("name"), "%s must be at most %d printable characters", quote(d.Name), MaxTextLength)
	case d.Kind > CPU:
		c.refuse(at("kind"), "%d is no device kind", d.Kind)
	case len(d.ComputeCapability) > MaxNameLength || !printable(string(d.ComputeCapability)):
		c.refuse(at("computeCapability"), "must be at most %d printable characters", MaxNameLength)
	}
	for j := range i {
		if all[j].ID == d.ID {
			c.refuse(at("id"), "%s is already the id of devices[%d]; ids must be unique", quote(d.ID), j)
		}
	}
}

// deviceFigures mends the figures of device number i.
func (c *checker) deviceFigures(d *Device, i int) {
	at := func(field string) string { return fmt.Sprintf("devices[%d].%s", i, field) }
	c.int(at, "memoryTotalMb", &d.MemoryTotalMB, maxMemoryMB)
	c.int(at, "memoryUsedMb", &d.MemoryUsedMB, maxMemoryMB)
	c.percent(at, "utilizationPercent", &d.UtilizationPercent)
	c.float(at, "temperatureCelsius", &d.TemperatureCelsius, -maxCelsius, maxCelsius)
	c.float(at, "powerWatts", &d.PowerWatts, 0, maxWatts)
	c.within(at, "memoryUsedMb", d.MemoryUsedMB, "memoryTotalMb", d.MemoryTotalMB)
}

func (c *checker) profile(all []WorkerReport, i int) {
	w := &all[i]
	at := func(field string) string { return fmt.Sprintf("workers[%d].%s", i, field) }
	switch {
	case !isName(w.Group, MaxNameLength):
		c.refuse(at("group"), "%s must be a letter or digit, then up to %d letters, digits or . _ : -", quote(w.Group), MaxNameLength-1)
	case !isName(w.Instance, MaxNameLength):
		c.refuse(at("instance"), "%s must be a letter or digit, then up to %d letters, digits or . _ : -", quote(w.Instance), MaxNameLength-1)
	case w.PID.Known() && w.PID.Value() < 0:
		c.refuse(at("pid"), "%d must be 0 or more", w.PID.Value())
	case len(w.Model) > MaxTextLength || !printable(string(w.Model)):
		c.refuse(at("model"), "%s must be at most %d printable characters", quote(string(w.Model)), MaxTextLength)
	case w.Endpoint != "" && !isHTTP(string(w.Endpoint)):
		c.refuse(at("endpoint"), "%s must be an http:// or https:// address without user or password, of at most %d characters", quote(string(w.Endpoint)), MaxReasonLength)
	}
}

// isPlausible reports whether there is nothing to mend. What is unknown is 0 and so plausible, and NaN is not.
func (d *Device) isPlausible() bool {
	return d.UtilizationPercent.Value() >= 0 && d.UtilizationPercent.Value() <= 100 &&
		d.TemperatureCelsius.Value() >= -maxCelsius && d.TemperatureCelsius.Value() <= maxCelsius &&
		d.PowerWatts.Value() >= 0 && d.PowerWatts.Value() <= maxWatts &&
		// A negative number is a large one without its sign.
		uint32(d.MemoryTotalMB.Value()) <= maxMemoryMB && uint32(d.MemoryUsedMB.Value()) <= maxMemoryMB &&
		isWithin(d.MemoryUsedMB, d.MemoryTotalMB)
}

// telemetry mends the figures of worker number i.
func (c *checker) telemetry(r *WorkerReport, i int) {
	at := func(field string) string { return fmt.Sprintf("workers[%d].%s", i, field) }
	c.percent(at, "gpuUtilizationPercent", &r.GPUUtilizationPercent)
	c.int(at, "vramUsedMb", &r.VRAMUsedMB, maxMemoryMB)
	c.int(at, "vramTotalMb", &r.VRAMTotalMB, maxMemoryMB)
	c.float(at, "cpuPercent", &r.CPUPercent, 0, maxPercentOfOneCore)
	c.int(at, "rssMb", &r.RSSMB, maxMemoryMB)
	c.float(at, "ioReadMbPerSecond", &r.IOReadMBPerSecond, 0, maxMBPerSecond)
	c.float(at, "ioWriteMbPerSecond", &r.IOWriteMBPerSecond, 0, maxMBPerSecond)
	c.int(at, "uptimeSeconds", &r.UptimeSeconds, maxUptimeSeconds)
	c.int(at, "requestsRunning", &r.RequestsRunning, maxRequests)
	c.int(at, "requestsQueued", &r.RequestsQueued, maxRequests)
	c.within(at, "vramUsedMb", r.VRAMUsedMB, "vramTotalMb", r.VRAMTotalMB)
}

// isPlausible reports whether there is nothing to mend. It only spares the work of looking at each figure by its name: what is unknown
// is 0 and so plausible, and NaN is not.
func (t *Telemetry) isPlausible() bool {
	return t.GPUUtilizationPercent.Value() >= 0 && t.GPUUtilizationPercent.Value() <= 100 &&
		t.CPUPercent.Value() >= 0 && t.CPUPercent.Value() <= maxPercentOfOneCore &&
		t.IOReadMBPerSecond.Value() >= 0 && t.IOReadMBPerSecond.Value() <= maxMBPerSecond &&
		t.IOWriteMBPerSecond.Value() >= 0 && t.IOWriteMBPerSecond.Value() <= maxMBPerSecond &&
		// A negative number is a large one without its sign.
		uint32(t.VRAMUsedMB.Value()) <= maxMemoryMB && uint32(t.VRAMTotalMB.Value()) <= maxMemoryMB && uint32(t.RSSMB.Value()) <= maxMemoryMB &&
		uint32(t.UptimeSeconds.Value()) <= maxUptimeSeconds &&
		uint32(t.RequestsRunning.Value()) <= maxRequests && uint32(t.RequestsQueued.Value()) <= maxRequests &&
		isWithin(t.VRAMUsedMB, t.VRAMTotalMB)
}

// int makes an absurd figure unknown. It is not clipped: a utilization of -1 clipped to 0 would look idle.
func (c *checker) int(at func(string) string, field string, v *OptInt, most int32) {
	if v.Known() && (v.Value() < 0 || v.Value() > most) {
		c.warn(at(field), "%d is not 0 to %d, taken as unknown", v.Value(), most)
		*v = OptInt{}
	}
}

// within warns of a part that is larger than its whole. Which of the two is wrong nobody can tell, so both stay, and nothing counts as free.
func (c *checker) within(at func(string) string, partField string, part OptInt, wholeField string, whole OptInt) {
	if !isWithin(part, whole) {
		c.warn(at(partField), "%d is more than %s, %d: nothing counts as free", part.Value(), wholeField, whole.Value())
	}
}

func isWithin(part, whole OptInt) bool { return part.Value() <= whole.Value() || !whole.Known() }

func (c *checker) float(at func(string) string, field string, v *OptFloat, least, most float64) {
	if v.Known() && !(v.Value() >= least && v.Value() <= most) { // written so that NaN is caught
		c.warn(at(field), "%g is not %g to %g, taken as unknown", v.Value(), least, most)
		*v = OptFloat{}
	}
}

// percent clips what is a little too much, as rounding in drivers makes it, and no more.
func (c *checker) percent(at func(string) string, field string, v *OptFloat) {
	if v.Known() && v.Value() > 100 && v.Value() <= 110 {
		c.warn(at(field), "%g clipped to 100", v.Value())
		*v = Float(100)
	}
	c.float(at, field, v, 0, 100)
}

func (c *checker) refuse(field, format string, args ...any) {
	if c.err == nil {
		c.err = &InvalidError{field, fmt.Sprintf(format, args...)}
	}
}

func (c *checker) warn(field, format string, args ...any) {
	if len(c.warnings) < MaxWarnings {
		c.warnings = append(c.warnings, field+": "+fmt.Sprintf(format, args...))
	}
}

// isName reports whether s is [A-Za-z0-9][A-Za-z0-9._:-]*, of at most the given length.
func isName(s string, longest int) bool {
	if s == "" || len(s) > longest || !isAlphanumeric(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if b := s[i]; !isAlphanumeric(b) && b != '.' && b != '_' && b != ':' && b != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// isHost reports whether s is an IP address, or can be the name of a host: no more is asked of it, since names are resolved by those who connect.
func isHost(s string) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Zone() == "" || isHostName(addr.Zone())
	}
	return isHostName(s) && !isOldAddress(s)
}

func isHostName(s string) bool {
	for i := range len(s) {
		if b := s[i]; !isAlphanumeric(b) && b != '.' && b != '-' && b != '_' {
			return false
		}
	}
	return s != "" && isAlphanumeric(s[0])
}

// isOldAddress tells of a name that resolvers take for an IP address in one of its old forms, as 127.1 is (POSIX, inet_addr): up to four numbers, decimal,
// octal or hexadecimal, of which the last fills what is left.
func isOldAddress(name string) bool {
	parts := strings.Split(strings.TrimSuffix(name, "."), ".")
	if len(parts) > 4 || strings.Contains(name, "_") { // only numbers of Go have those
		return false
	}
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		if _, err := strconv.ParseUint(part, 0, bits); err != nil {
			return false
		}
	}
	return true
}

// isHTTP reports whether s is an address that an HTTP client can use. Go's parser takes more than RFC 3986 has, and than others take.
func isHTTP(s string) bool {
	if len(s) > MaxReasonLength || !printable(s) || strings.ContainsAny(s, " \"<>\\^`{|}") {
		return false
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !isHost(u.Hostname()) {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0 || u.Port() == ""
}

func printable(s string) bool {
	ascii := true
	for i := range len(s) {
		b := s[i]
		if b < ' ' || b == 0x7f {
			return false
		}
		ascii = ascii && b < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(s)
}

// quote shows a value from outside: shortened, and with everything unprintable escaped.
func quote(s string) string {
	const most = 48
	if len(s) > most {
		return fmt.Sprintf("%+q…", s[:most])
	}
	return fmt.Sprintf("%+q", s)
}

func clip(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > most {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// skewMS returns the sender's clock minus ours, as far as 32 bits hold it.
func skewMS(sentAt, receivedAt time.Time) OptInt {
	if sentAt.IsZero() {
		return OptInt{}
	}
	ms := sentAt.Sub(receivedAt).Milliseconds()
	return Int(int32(min(max(ms, math.MinInt32), math.MaxInt32)))
}
