package agent

import (
	"cmp"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"waggle/client"
	"waggle/internal/agent/engine"
	"waggle/internal/agent/gpu"
	"waggle/internal/agent/proc"
)

// maxWorkers is what the schema allows in one heartbeat.
const maxWorkers = 256

// report makes the workers of a heartbeat out of what the sources know.
type report struct {
	hostname string
	// figures is false when the survey is too old for its figures; the workers themselves are kept.
	figures bool
	gpus    gpu.Reading
	// gpusFresh is false when the GPUs could not be read of late.
	gpusFresh bool
	// answers are what the engines said: any answer, and whether it is fresh.
	answers func(proc.ID) (answer engine.Answer, fresh, known bool)
}

// workers returns the reported workers, the longest running first. Truncated is true when there were more than fit.
func (r report) workers(s survey) (list []*client.WorkerInput, truncated bool) {
	list = []*client.WorkerInput{}
	for _, w := range s.workers {
		list = append(list, r.expand(w)...)
	}
	taken := map[string]bool{}
	for _, in := range list {
		// Two servers can have the same port in different networks. The one that runs longest has the plain name.
		for n := 0; taken[in.Group+"/"+in.Instance]; n++ {
			in.Instance = mend(in.Instance+":"+strconv.Itoa(cmp.Or(deref(in.Pid), 0)+n), maxName, true)
		}
		taken[in.Group+"/"+in.Instance] = true
	}
	return list[:min(len(list), maxWorkers)], len(list) > maxWorkers
}

// expand makes one worker out of a server, or one for each model that it has loaded through runners.
func (r report) expand(w *worker) []*client.WorkerInput {
	answer, fresh, known := r.answers(w.ID)
	var list []*client.WorkerInput
	switch {
	case w.server.Kind == engine.Ollama && known && len(answer.Loaded) > 0:
		for _, model := range answer.Loaded {
			in := r.through(w, runnerOf(w, model, len(answer.Loaded)), model.Model)
			if in.VramUsedMb == nil && fresh {
				in.VramUsedMb = megabytes(model.VRAMBytes)
			}
			list = append(list, in)
		}
	case w.server.Kind == engine.Llama && len(w.runners) > 0:
		for _, runner := range w.runners {
			list = append(list, r.through(w, runner, runner.server.Model))
		}
	default:
		whole := *w
		for _, runner := range w.runners {
			whole.add(runner)
		}
		in := r.one(&whole)
		if w.server.Runner {
			in.Endpoint = nil // It answers only to its server, wherever that is.
		}
		list = append(list, in)
	}
	return list
}

// runnerOf finds the process that runs a model; nil when it cannot be told.
func runnerOf(w *worker, model engine.Loaded, loaded int) *worker {
	for _, runner := range w.runners {
		if model.Blob != "" && runner.server.Blob == model.Blob {
			return runner
		}
	}
	if len(w.runners) == 1 && loaded == 1 {
		return w.runners[0]
	}
	return nil
}

// through reports a model that clients reach through its server, and whose figures are those of its runner.
func (r report) through(front, runner *worker, model string) *client.WorkerInput {
	in := &client.WorkerInput{}
	loading := false
	if runner != nil {
		in = r.one(runner)
		loading = runner.server.Model != "" && in.Model == nil
	}
	in.Group = front.group
	in.Instance = mend(nameOf(front)+":"+model, maxName, true)
	in.Model, in.Endpoint = nil, nil
	if !loading {
		in.Model, in.Endpoint = &model, r.endpoint(front)
	}
	return in
}

// one reports one server with its whole process tree.
func (r report) one(w *worker) *client.WorkerInput {
	in := &client.WorkerInput{Group: w.group, Instance: nameOf(w), Pid: new(w.PID), Endpoint: r.endpoint(w)}
	answer, fresh, known := r.answers(w.ID)
	model := w.server.Model
	if model == "" && known {
		model = answer.Model
	}
	if model != "" {
		in.Model = &model
	}
	if fresh {
		in.RequestsRunning, in.RequestsQueued = answer.Running, answer.Queued
	}
	if fresh && !answer.Ready || w.reach == reachClosed {
		in.Model, in.Endpoint = nil, nil // It serves nothing yet.
	}
	if r.figures {
		in.RssMb, in.CpuPercent = megabytes(&w.rss), rounded(w.cpu)
		in.IoReadMbPerSecond, in.IoWriteMbPerSecond = inMegabytes(w.read), inMegabytes(w.written)
		if w.age >= 0 {
			in.UptimeSeconds = new(int(w.age / time.Second))
		}
	}
	r.addGPU(in, w.pids)
	return in
}

// addGPU sums what the processes of a worker use of the GPUs. One unknown part makes the sum unknown.
func (r report) addGPU(in *client.WorkerInput, pids []int) {
	var used, total uint64
	var usedKnown, totalKnown, busyKnown = true, true, true
	busy := map[int]float64{} // by device
	for _, u := range r.gpus.Usages {
		if !slices.Contains(pids, u.PID) {
			continue
		}
		if _, seen := busy[u.Device]; !seen {
			busy[u.Device] = 0
			capacity := r.capacity(u.Device)
			if capacity == nil {
				totalKnown = false
			} else {
				total += *capacity
			}
		}
		if u.Memory == nil {
			usedKnown = false
		} else {
			used += *u.Memory
		}
		if u.Utilization == nil {
			busyKnown = false
		} else {
			busy[u.Device] = min(100, busy[u.Device]+*u.Utilization)
		}
	}
	if len(busy) == 0 {
		return // On no GPU, or on one that does not tell.
	}
	if totalKnown {
		in.VramTotalMb = megabytes(&total)
	}
	if usedKnown && r.gpusFresh {
		in.VramUsedMb = megabytes(&used)
	}
	if busyKnown && r.gpusFresh {
		sum := 0.0
		for _, b := range busy {
			sum += b
		}
		in.GpuUtilizationPercent = rounded(new(sum / float64(len(busy))))
	}
}

func (r report) capacity(device int) *uint64 {
	for _, d := range r.gpus.Devices {
		if d.Index == device {
			return d.MemoryTotal
		}
	}
	return nil
}

// endpoint is where others reach a worker; nil when they cannot, or when it is not known.
func (r report) endpoint(w *worker) *string {
	host := r.hostOf(w)
	if w.port == 0 || host == "" {
		return nil
	}
	return new(w.server.Scheme() + net.JoinHostPort(host, strconv.Itoa(w.port)) + w.server.Prefix)
}

// hostOf is the host of a worker's endpoint: that of the hive, or the address that the worker listens at where it does
// not listen at all of them. A hive that goes by a loopback name is used from its own machine only. Empty when there is none.
func (r report) hostOf(w *worker) string {
	local := isLoopback(r.hostname)
	if w.reach != reachAll && (w.reach != reachLoopback || !local) {
		return ""
	}
	if len(w.bound) == 0 {
		return r.hostname
	}
	own, err := netip.ParseAddr(strings.Trim(r.hostname, "[]"))
	if local && err != nil {
		own = netip.AddrFrom4([4]byte{127, 0, 0, 1}) // That is what localhost means everywhere.
	}
	if slices.Contains(w.bound, own.Unmap()) {
		return r.hostname
	}
	i := slices.IndexFunc(w.bound, func(ip netip.Addr) bool { return ip.IsLoopback() == local })
	switch {
	case i >= 0:
		return w.bound[i].String()
	case local:
		return w.bound[0].String()
	}
	return ""
}

// nameOf is the instance of a worker: what its control group says, else its port, else its pid.
func nameOf(w *worker) string {
	switch {
	case w.instance != "":
		return w.instance
	case w.port != 0:
		return strconv.Itoa(w.port)
	}
	return "pid-" + strconv.Itoa(w.PID)
}

// add counts the figures of a runner as its server's own.
func (w *worker) add(runner *worker) {
	w.pids = slices.Concat(w.pids, runner.pids)
	w.rss += runner.rss
	w.cpu, w.read, w.written = sum(w.cpu, runner.cpu), sum(w.read, runner.read), sum(w.written, runner.written)
}

func sum(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	return new(*a + *b)
}

func inMegabytes(bytes *float64) *float64 {
	if bytes == nil {
		return nil
	}
	return rounded(new(math.Max(0, *bytes) / bytesPerMB))
}

func deref(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
