package simulate

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report is what a run measured. Parts that the run did not have are nil.
type Report struct {
	// Seconds is for how long was measured.
	Seconds float64 `json:"seconds"`
	// Hives and Door say what sent heartbeats, and how; without a fleet there are 0.
	Hives int  `json:"hives"`
	Door  Door `json:"door"`
	// LoadCPUPercent is how much of one core the load itself took: near 100, it measures itself. 0 where that is not known.
	LoadCPUPercent float64 `json:"loadCpuPercent"`
	// LoadHeapMB is how much memory the load's own objects take, in MB (2^20 bytes), at the end of the last collection.
	LoadHeapMB float64 `json:"loadHeapMb"`
	// Heartbeats, measured from when they were due to the answer.
	Heartbeats *Figures `json:"heartbeats,omitempty"`
	// Deliveries to subscribers. The time is from the server's clock in a message to its arrival, where a document has one, and so of use on one
	// machine only.
	Deliveries *Figures `json:"deliveries,omitempty"`
	// Queries of schedulers.
	Queries *Figures `json:"queries,omitempty"`
	// Decisions of schedulers with a mirror, in means of a thousand.
	Decisions *Figures `json:"decisions,omitempty"`
	// MirrorLag is how long after a heartbeat was sent a mirror showed it.
	MirrorLag *Figures `json:"mirrorLag,omitempty"`
	// MirrorReady is how long it took from the start of a mirror to its first truth, in the warm-up or after it.
	MirrorReady *Figures `json:"mirrorReady,omitempty"`
}

func (l *Load) report(elapsed time.Duration) *Report {
	rep := &Report{Seconds: elapsed.Seconds(), Door: l.cfg.Door}
	if !l.cfg.NoFleet {
		rep.Hives = l.cfg.Fleet.Hives
		rep.Heartbeats = l.beats.figures(elapsed)
	}
	if l.cfg.Subscribers > 0 {
		rep.Deliveries = l.deliveries.figures(elapsed)
	}
	if l.cfg.Schedulers > 0 {
		rep.Queries = l.queries.figures(elapsed)
	}
	if l.cfg.Mirrors > 0 {
		rep.Decisions, rep.MirrorLag, rep.MirrorReady = l.decisions.figures(elapsed), l.lag.figures(elapsed), l.ready.figures(elapsed)
	}
	return rep
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	rows := []struct {
		name string
		f    *Figures
	}{{"heartbeats", r.Heartbeats}, {"deliveries", r.Deliveries}, {"queries", r.Queries}, {"decisions", r.Decisions},
		{"mirror lag", r.MirrorLag}, {"mirror ready", r.MirrorReady}}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(tw, "in %.1f s\tper second\tdone\tfailed\tmissed\tp50 ms\tp90 ms\tp99 ms\tp99.9 ms\tmax ms\t\n", r.Seconds)
	for _, row := range rows {
		if f := row.f; f != nil {
			_, _ = fmt.Fprintf(tw, "%s\t%.0f\t%d\t%d\t%d\t%.4g\t%.4g\t%.4g\t%.4g\t%.4g\t\n",
				row.name, f.PerSecond, f.Done, f.Failed, f.Missed, f.P50MS, f.P90MS, f.P99MS, f.P999MS, f.MaxMS)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "the load itself took %.0f %% of a core\n", r.LoadCPUPercent); err != nil {
		return err
	}
	for _, row := range rows {
		if row.f != nil && row.f.LastError != "" {
			if _, err := fmt.Fprintf(w, "%s: the last error was: %s\n", row.name, row.f.LastError); err != nil {
				return err
			}
		}
	}
	return nil
}
