package rbee

import "sync/atomic"

// Stats are counts of what went through a Door.
type Stats struct {
	Pushed         int64 `metric:"rbee_heartbeats_total" label:"way=pushed" help:"Heartbeats that rbee's hives sent and that were accepted."`
	Pulled         int64 `metric:"rbee_heartbeats_total" label:"way=pulled" help:"Heartbeats that were read from hives' streams and accepted."`
	Refused        int64 `metric:"rbee_requests_refused_total" help:"Requests of rbee's hives that were answered with an error."`
	Outdated       int64 `metric:"rbee_heartbeats_outdated_total" help:"Pushed heartbeats that a later one had overtaken."`
	EventsRefused  int64 `metric:"rbee_events_refused_total" help:"Events in hives' streams that were not taken."`
	WorkersDropped int64 `metric:"rbee_workers_dropped_total" help:"Malformed workers in hives' streams that were left out."`
	Subscriptions  int64 `metric:"rbee_subscriptions" label:"state=any" help:"Hives that are subscribed to."`
	Heard          int64 `metric:"rbee_subscriptions" label:"state=heard" help:"Hives whose stream is heard."`
	Dashboards     int64 `metric:"rbee_dashboards" help:"Event streams that are served to rbee's dashboards."`
	DashboardsCut  int64 `metric:"rbee_dashboards_cut_total" help:"Event streams that were ended since nobody read them."`
}

// counters are what Stats is made of.
type counters struct {
	pushed, pulled, refused, outdated, eventsRefused, workersDropped, subscriptions, dashboards, dashboardsCut atomic.Int64
}

// Stats returns the counts so far.
func (d *Door) Stats() Stats {
	return Stats{
		Pushed:         d.stats.pushed.Load(),
		Pulled:         d.stats.pulled.Load(),
		Refused:        d.stats.refused.Load(),
		Outdated:       d.stats.outdated.Load(),
		EventsRefused:  d.stats.eventsRefused.Load(),
		WorkersDropped: d.stats.workersDropped.Load(),
		Subscriptions:  d.stats.subscriptions.Load(),
		Heard:          d.roster.countHeard(),
		Dashboards:     d.stats.dashboards.Load(),
		DashboardsCut:  d.stats.dashboardsCut.Load(),
	}
}
