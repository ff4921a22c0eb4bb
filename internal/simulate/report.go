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
	// Hives and Door say what sent heartbeats, and how.
	Hives int  `json:"hives"`
	Door  Door `json:"door"`
	// Heartbeats, measured from when they were due to the answer.
	Heartbeats *Figures `json:"heartbeats,omitempty"`
	// Deliveries to subscribers; the time is that between two of one subscriber.
	Deliveries *Figures `json:"deliveries,omitempty"`
	// Queries of schedulers for the best worker.
	Queries *Figures `json:"queries,omitempty"`
	// Decisions of schedulers with a mirror, in samples of a thousand.
	Decisions *Figures `json:"decisions,omitempty"`
	// MirrorLag is how long after a heartbeat was sent a mirror showed it.
	MirrorLag *Figures `json:"mirrorLag,omitempty"`
}

func (r *run) report(elapsed time.Duration) *Report {
	rep := &Report{Seconds: elapsed.Seconds(), Hives: r.cfg.Fleet.Hives, Door: r.cfg.Door}
	if !r.cfg.NoFleet {
		rep.Heartbeats = r.beats.figures(elapsed)
	}
	if r.cfg.Subscribers > 0 {
		rep.Deliveries = r.deliveries.figures(elapsed)
	}
	if r.cfg.Schedulers > 0 {
		rep.Queries = r.queries.figures(elapsed)
	}
	if r.cfg.Mirrors > 0 {
		rep.Decisions, rep.MirrorLag = r.decisions.figures(elapsed), r.lag.figures(elapsed)
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
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(tw, "in %.1f s\tper second\tdone\tfailed\tmissed\tp50 ms\tp90 ms\tp99 ms\tp99.9 ms\tmax ms\t\n", r.Seconds)
	for _, row := range []struct {
		name string
		f    *Figures
	}{{"heartbeats", r.Heartbeats}, {"deliveries", r.Deliveries}, {"queries", r.Queries}, {"decisions", r.Decisions}, {"mirror lag", r.MirrorLag}} {
		if f := row.f; f != nil {
			_, _ = fmt.Fprintf(tw, "%s\t%.0f\t%d\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n",
				row.name, f.PerSecond, f.Done, f.Failed, f.Missed, f.P50MS, f.P90MS, f.P99MS, f.P999MS, f.MaxMS)
		}
	}
	for _, f := range []*Figures{r.Heartbeats, r.Deliveries, r.Queries, r.Decisions} {
		if f != nil && f.LastError != "" {
			_, _ = fmt.Fprintf(tw, "last error: %s\n", f.LastError)
		}
	}
	return tw.Flush()
}
