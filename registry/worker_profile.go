package registry

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
)

// WorkerProfile is what a worker is. It stays the same from heartbeat to heartbeat, so all records of the worker share it until it
// changes. It is immutable.
type WorkerProfile struct {
	ID       string // "<hive>/<group>/<instance>"
	HiveID   string
	Group    string
	Instance string
	PID      OptInt
	Model    OptString
	Endpoint OptString // where a scheduler reaches it
}

// newProfiles makes the profiles of a hive's workers from reports that were found valid, taken in this order.
func newProfiles(hiveID, hostname string, reports []WorkerReport, order []int32) []WorkerProfile {
	profiles, endpoints, size := make([]WorkerProfile, len(reports)), make([]OptString, len(reports)), 0
	for i := range profiles {
		r := &reports[position(order, i)]
		endpoints[i] = endpointOf(string(r.Endpoint), hostname)
		size += len(hiveID) + len(r.Group) + len(r.Instance) + 2 + len(r.Model) + len(endpoints[i])
	}
	var text strings.Builder // of all, in one piece of memory
	text.Grow(size)
	cut := func(parts ...string) string {
		start := text.Len()
		for _, part := range parts {
			text.WriteString(part)
		}
		return text.String()[start:]
	}
	for i := range profiles {
		p, r := &profiles[i], &reports[position(order, i)]
		p.ID = cut(hiveID, "/", r.Group, "/", r.Instance)
		p.HiveID = hiveID
		p.Group = p.ID[len(hiveID)+1:][:len(r.Group)]
		p.Instance = p.ID[len(p.ID)-len(r.Instance):]
		p.PID = r.PID
		p.Model = OptString(cut(string(r.Model)))
		p.Endpoint = OptString(cut(string(endpoints[i])))
	}
	return profiles
}

// digest stands for the texts of a heartbeat that stay: heartbeats with equal digests come from one agent of one hive, of one version on one host, with
// the same devices, and make equal profiles of its workers, so that all but the first need not be looked at so closely. It is 64 bits long and seeded
// anew in each process, so two that differ meet in it less often than memory fails, and nobody can make them. To compare the texts themselves would
// fetch them from memory for every heartbeat, and in a large fleet Apply is mostly such waiting.
//
// Room is for the texts; it comes back for the next time.
func (hb *Heartbeat) digest(seed maphash.Seed, room []byte) (uint64, []byte) {
	b := appendText(room[:0], hb.Hive.ID)
	b = appendText(b, hb.Hive.Hostname)
	b = appendText(b, hb.Hive.Version)
	b = appendText(b, hb.Incarnation)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(hb.Devices)))
	for i := range hb.Devices {
		d := &hb.Devices[i]
		b = appendText(b, d.ID)
		b = appendText(b, d.Name)
		b = appendText(b, string(d.ComputeCapability))
		b = append(b, byte(d.Kind))
	}
	for i := range hb.Workers {
		r := &hb.Workers[i]
		b = appendText(b, r.Group)
		b = appendText(b, r.Instance)
		b = appendText(b, string(r.Model))
		b = appendText(b, string(r.Endpoint))
		b = binary.LittleEndian.AppendUint32(b, uint32(r.PID.Value()))
		if r.PID.Known() {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return maphash.Bytes(seed, b), b
}

// appendText appends a text so that it can be told where it ends.
func appendText(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
}

// position returns which of the reports is the i-th in this order.
func position(order []int32, i int) int {
	if order == nil {
		return i
	}
	return int(order[i])
}

// sortedOrder returns in which order reports are sorted by group and instance: the positions of the first, the second and so on; nil
// when they stand in it. It also returns one whose group and instance another has, too, or nil.
func sortedOrder(reports []WorkerReport) (order []int32, twin *WorkerReport) {
	compare := func(a, b *WorkerReport) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Instance, b.Instance))
	}
	isSorted := true
	for i := 1; i < len(reports) && isSorted; i++ {
		isSorted = compare(&reports[i-1], &reports[i]) < 0
	}
	if isSorted {
		return nil, nil
	}
	order = make([]int32, len(reports))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int { return compare(&reports[i], &reports[j]) })
	for i := 1; i < len(order); i++ {
		if r := &reports[order[i]]; compare(&reports[order[i-1]], r) == 0 {
			return nil, r
		}
	}
	return order, nil
}
