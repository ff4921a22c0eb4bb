package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"waggle/registry"
)

// selection says which fields of a hive or a worker a client asked for, so that it is told of no other change.
type selection struct {
	fields  registry.Fields
	hive    *selection // of Worker.hive, if selected
	workers *selection // of Hive.workers, if selected
}

// workerField returns what must have changed for a field of Worker to be another. Identities never change.
func workerField(name string) registry.Fields {
	switch name {
	case "pid":
		return registry.WorkerPID
	case "model":
		return registry.WorkerModel
	case "endpoint":
		return registry.WorkerEndpoint
	case "activity":
		return registry.WorkerActivity
	case "activitySince":
		return registry.WorkerActivitySince
	case "liveness":
		return registry.WorkerLiveness
	case "available":
		return registry.WorkerAvailable
	case "gpuUtilizationPercent":
		return registry.WorkerGPUUtilization
	case "vramUsedMb":
		return registry.WorkerVRAMUsed
	case "vramTotalMb":
		return registry.WorkerVRAMTotal
	case "vramFreeMb":
		return registry.WorkerVRAMFree
	case "cpuPercent":
		return registry.WorkerCPU
	case "rssMb":
		return registry.WorkerRSS
	case "ioReadMbPerSecond":
		return registry.WorkerIORead
	case "ioWriteMbPerSecond":
		return registry.WorkerIOWrite
	case "uptimeSeconds":
		return registry.WorkerUptime
	case "requestsRunning":
		return registry.WorkerRequestsRunning
	case "requestsQueued":
		return registry.WorkerRequestsQueued
	case "history", "lastSeenAt":
		return registry.WorkerLastSeenAt
	case "revision":
		return registry.WorkerRevision
	default:
		return 0
	}
}

// hiveField is workerField for the fields of Hive.
func hiveField(name string) registry.Fields {
	switch name {
	case "hostname":
		return registry.HiveHostname
	case "port":
		return registry.HivePort
	case "endpoint":
		return registry.HiveHostname | registry.HivePort
	case "version":
		return registry.HiveVersion
	case "operationalStatus":
		return registry.HiveOperationalStatus
	case "health":
		return registry.HiveHealth
	case "liveness":
		return registry.HiveLiveness
	case "available":
		return registry.HiveAvailable
	case "cordoned":
		return registry.HiveCordoned
	case "devices":
		return registry.HiveDevices
	case "firstSeenAt":
		return registry.HiveFirstSeenAt
	case "lastSeenAt":
		return registry.HiveLastSeenAt
	case "heartbeatIntervalMs":
		return registry.HiveHeartbeatInterval
	case "clockSkewMs":
		return registry.HiveClockSkew
	case "revision":
		return registry.HiveRevision
	default:
		return 0
	}
}

// selected returns the fields that a client selected below the operation's only root field, by name; aliases of one field together.
func selected(ctx context.Context) map[string][]graphql.CollectedField {
	return byName(graphql.CollectFields(graphql.GetOperationContext(ctx), rootField(ctx).Selections, nil))
}

// rootField returns the operation's field that is being resolved.
func rootField(ctx context.Context) graphql.CollectedField { return graphql.GetFieldContext(ctx).Field }

func byName(fields []graphql.CollectedField) map[string][]graphql.CollectedField {
	m := map[string][]graphql.CollectedField{}
	for _, f := range fields {
		m[f.Name] = append(m[f.Name], f)
	}
	return m
}

// workerSelection returns what is selected of workers by these fields, all of type Worker; nil when there is no such field.
func workerSelection(ctx context.Context, fields []graphql.CollectedField) *selection {
	return newSelection(ctx, fields, workerField)
}

// hiveSelection is workerSelection for fields of type Hive.
func hiveSelection(ctx context.Context, fields []graphql.CollectedField) *selection {
	return newSelection(ctx, fields, hiveField)
}

func newSelection(ctx context.Context, fields []graphql.CollectedField, bits func(string) registry.Fields) *selection {
	if len(fields) == 0 {
		return nil
	}
	op := graphql.GetOperationContext(ctx)
	s := &selection{}
	var below []graphql.CollectedField
	for _, f := range fields {
		below = append(below, graphql.CollectFields(op, f.Selections, nil)...)
	}
	inner := byName(below)
	for name := range inner {
		s.fields |= bits(name)
	}
	s.hive = hiveSelection(ctx, inner["hive"])
	s.workers = workerSelection(ctx, inner["workers"])
	s.fold()
	return s
}

// fold takes what is selected of a hive by way of its own workers as selected of the hive itself, which it is. So no selection is
// deeper than a worker, its hive and that hive's workers, however a client nests it.
func (s *selection) fold() {
	if s.workers == nil || s.workers.hive == nil {
		return
	}
	same := s.workers.hive // folded already
	s.workers.hive = nil
	s.fields |= same.fields
	if same.workers != nil {
		s.workers.fields |= same.workers.fields
	}
}

// hiveChanged reports whether a client with this selection sees a difference between two records of one hive.
func (s *selection) hiveChanged(old, now *registry.Hive) bool {
	if old == now {
		return false
	}
	if registry.DiffHive(old, now)&s.fields != 0 || s.fields&registry.HiveRevision != 0 && old.Revision != now.Revision {
		return true
	}
	changed := false
	if s.workers != nil {
		registry.EachPair(old.Workers, now.Workers, func(was, is *registry.Worker) {
			changed = changed || was == nil || is == nil || s.workers.workerChanged(was, is)
		})
	}
	return changed
}

// workerChanged reports whether a client with this selection sees a difference between two records of one worker.
func (s *selection) workerChanged(old, now *registry.Worker) bool {
	if old == now {
		return false
	}
	return registry.DiffWorker(old, now)&s.fields != 0 ||
		s.fields&registry.WorkerRevision != 0 && old.Revision() != now.Revision() ||
		s.hive != nil && s.hive.hiveChanged(old.Hive, now.Hive)
}

// sees reports whether a client with this selection may see a change of these fields. It always sees an entry that is new.
func (s *selection) sees(changed registry.Fields) bool {
	return changed == registry.AllFields || changed&s.fields != 0
}

// seesHive is sees for a hive and, as far as they are selected, its workers.
func (s *selection) seesHive(c registry.Change) bool {
	return s.sees(c.Hive) || s.workers != nil &&
		slices.ContainsFunc(c.Workers, func(w registry.WorkerChange) bool { return s.workers.sees(w.Changed) })
}
