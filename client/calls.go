package client

import (
	"cmp"
	"context"
	"fmt"
)

// DefaultFirst is how many entries a query asks for that does not say.
const DefaultFirst = 100

// WorkersQuery says which workers are wanted, in which order, and which window of them.
type WorkersQuery struct {
	// Filter chooses; nil for all.
	Filter *WorkerFilter
	// OrderBy sorts; nil for by id.
	OrderBy *WorkerOrder
	// First is the size of the window, at most 1,000. Zero means [DefaultFirst].
	First int
	// Offset is how many to leave out before the window.
	Offset int
}

// HivesQuery says which hives are wanted, in which order, and which window of them.
type HivesQuery struct {
	// Filter chooses; nil for all.
	Filter *HiveFilter
	// OrderBy sorts; nil for by id.
	OrderBy *HiveOrder
	// First is the size of the window, at most 1,000. Zero means [DefaultFirst].
	First int
	// Offset is how many to leave out before the window.
	Offset int
}

// Workers returns a window of the workers that the query chooses. Errors of this and the other calls are those of
// [Client.Heartbeat].
func (c *Client) Workers(ctx context.Context, q WorkersQuery) (*WorkerPage, error) {
	answer, err := workers(ctx, c.transport, q.Filter, q.OrderBy, cmp.Or(q.First, DefaultFirst), q.Offset)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for workers: %w", err)
	}
	return answer.Workers, nil
}

// Worker returns one worker, or nil when there is none with this id.
func (c *Client) Worker(ctx context.Context, id string) (*Worker, error) {
	answer, err := worker(ctx, c.transport, id)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the worker: %w", err)
	}
	return answer.Worker, nil
}

// BestWorker returns the best available, idle worker that has the model and at least so many MB of GPU memory free, or
// nil when there is none: fewest waiting requests, then most free memory; the server takes equals in turn. With minFreeMB 0 no memory
// is asked, and a worker whose free memory is unknown is taken too, last. It costs a round trip; who asks thousands of times a second keeps a [Mirror].
func (c *Client) BestWorker(ctx context.Context, model string, minFreeMB int) (*Worker, error) {
	var minFree *int
	if minFreeMB != 0 {
		minFree = &minFreeMB
	}
	answer, err := bestWorker(ctx, c.transport, model, minFree)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the best worker: %w", err)
	}
	return answer.BestWorker, nil
}

// Hives returns a window of the hives that the query chooses.
func (c *Client) Hives(ctx context.Context, q HivesQuery) (*HivePage, error) {
	answer, err := hives(ctx, c.transport, q.Filter, q.OrderBy, cmp.Or(q.First, DefaultFirst), q.Offset)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for hives: %w", err)
	}
	return answer.Hives, nil
}

// Hive returns one hive, or nil when there is none with this id.
func (c *Client) Hive(ctx context.Context, id string) (*Hive, error) {
	answer, err := hive(ctx, c.transport, id)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the hive: %w", err)
	}
	return answer.Hive, nil
}

// Fleet sums up the fleet.
func (c *Client) Fleet(ctx context.Context) (*Fleet, error) {
	answer, err := fleet(ctx, c.transport)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the fleet: %w", err)
	}
	return answer.Fleet, nil
}

// Events returns what happened, newest first: up to first events, of one hive or, with an empty id, of all.
func (c *Client) Events(ctx context.Context, first int, hiveID string) ([]*Event, error) {
	answer, err := events(ctx, c.transport, first, unlessEmpty(hiveID))
	if err != nil {
		return nil, fmt.Errorf("cannot ask for events: %w", err)
	}
	return answer.Events, nil
}

// Server describes the server that answers.
func (c *Client) Server(ctx context.Context) (*ServerInfo, error) {
	answer, err := server(ctx, c.transport)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for the server: %w", err)
	}
	return answer.Server, nil
}

// Heartbeats reports many hives in one request: at most 1,000, answered in the same order. One bad report harms no other: its outcome is
// [HeartbeatOutcomeInvalid].
func (c *Client) Heartbeats(ctx context.Context, inputs []*HeartbeatInput) ([]*HeartbeatPayload, error) {
	if len(inputs) == 0 {
		return nil, nil
	}
	answer, err := heartbeats(ctx, c.transport, inputs)
	if err != nil {
		return nil, fmt.Errorf("cannot send the heartbeats: %w", err)
	}
	return answer.Heartbeats, nil
}

// Cordon says that no new work may be sent to the hive until it is uncordoned. It returns the hive, or nil when there is none.
func (c *Client) Cordon(ctx context.Context, hiveID string) (*Hive, error) {
	answer, err := cordonHive(ctx, c.transport, hiveID)
	if err != nil {
		return nil, fmt.Errorf("cannot cordon the hive: %w", err)
	}
	return answer.CordonHive, nil
}

// Uncordon says that new work may be sent to the hive again. It returns the hive, or nil when there is none.
func (c *Client) Uncordon(ctx context.Context, hiveID string) (*Hive, error) {
	answer, err := uncordonHive(ctx, c.transport, hiveID)
	if err != nil {
		return nil, fmt.Errorf("cannot uncordon the hive: %w", err)
	}
	return answer.UncordonHive, nil
}

// RemoveHive makes the server forget a hive and its workers, and reports whether there was one. A hive that still
// sends heartbeats comes back with the next one.
func (c *Client) RemoveHive(ctx context.Context, hiveID string) (bool, error) {
	answer, err := removeHive(ctx, c.transport, hiveID)
	if err != nil {
		return false, fmt.Errorf("cannot remove the hive: %w", err)
	}
	return answer.RemoveHive, nil
}

func unlessEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
