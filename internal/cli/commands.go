package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"waggle/client"
)

// Choice says which workers are meant.
type Choice struct {
	Model       []string `placeholder:"NAME" help:"Workers that serve one of these models, exactly."`
	Hive        []string `placeholder:"ID" help:"Workers of these hives."`
	Group       []string `placeholder:"NAME" help:"Workers of these service groups."`
	Idle        bool     `help:"Workers that do nothing now." xor:"activity"`
	Busy        bool     `help:"Workers that work now." xor:"activity"`
	Available   bool     `help:"Workers to which new work may be sent."`
	MinFreeVRAM int      `name:"min-free-vram" placeholder:"MB" help:"Workers with so much GPU memory free."`
	Search      string   `placeholder:"TEXT" help:"Workers with this in their id, model or hostname."`
}

func (c *Choice) filter() *client.WorkerFilter {
	f := &client.WorkerFilter{Models: c.Model, HiveIds: c.Hive, Groups: c.Group}
	if c.Idle || c.Busy {
		f.Idle = &c.Idle
	}
	if c.Available {
		f.Available = &c.Available
	}
	if c.MinFreeVRAM != 0 {
		f.MinFreeVramMb = &c.MinFreeVRAM
	}
	if c.Search != "" {
		f.Search = &c.Search
	}
	return f
}

// Window says which part of a list is meant.
type Window struct {
	First  int `default:"100" help:"How many at the most, 1 to 1,000."`
	Offset int `default:"0" help:"How many to leave out before them."`
}

// Validate is called by kong, before anything is done.
func (w *Window) Validate() error {
	if w.Offset < 0 {
		return fmt.Errorf("--offset: %d must be 0 or more", w.Offset)
	}
	return checkFirst(w.First)
}

// checkFirst refuses what the API does not allow, and 0, which shows nothing.
func checkFirst(first int) error {
	const most = 1000
	if first < 1 || first > most {
		return fmt.Errorf("--first: %d must be 1 to %d", first, most)
	}
	return nil
}

// Workers is `waggle workers`.
type Workers struct {
	Connection
	Output
	Choice
	Window
	Order string `default:"id" enum:"id,model,activity,gpu,vram-free,vram-used,cpu,uptime" help:"In which order: ${enum}."`
	Desc  bool   `help:"Largest first."`
}

// Run prints the workers that are meant.
func (c *Workers) Run(ctx context.Context, stdout io.Writer) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	page, err := server.Workers(ctx, c.query())
	if err != nil {
		return err
	}
	err = c.print(stdout, page, func(w io.Writer) error { return table(w, workerHeader, workerRows(page.Nodes)) })
	return errors.Join(err, c.note(stdout, len(page.Nodes), page.TotalCount, "workers"))
}

func (c *Workers) query() client.WorkersQuery {
	fields := map[string]client.WorkerOrderField{"id": client.WorkerOrderFieldId, "model": client.WorkerOrderFieldModel,
		"activity": client.WorkerOrderFieldActivity, "gpu": client.WorkerOrderFieldGpuUtilization, "vram-free": client.WorkerOrderFieldVramFree,
		"vram-used": client.WorkerOrderFieldVramUsed, "cpu": client.WorkerOrderFieldCpu, "uptime": client.WorkerOrderFieldUptime}
	order := &client.WorkerOrder{Field: fields[c.Order], Direction: client.OrderDirectionAsc}
	if c.Desc {
		order.Direction = client.OrderDirectionDesc
	}
	return client.WorkersQuery{Filter: c.filter(), OrderBy: order, First: c.First, Offset: c.Offset}
}

// Hives is `waggle hives`.
type Hives struct {
	Connection
	Output
	Window
	Available bool       `help:"Hives to which new work may be sent."`
	Liveness  []liveness `placeholder:"STATE" help:"Hives that are one of: ONLINE, SUSPECT, OFFLINE."`
	Search    string     `placeholder:"TEXT" help:"Hives with this in their id or hostname."`
}

// liveness is a client.Liveness that people may write in lower case.
type liveness client.Liveness

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *liveness) UnmarshalText(text []byte) error {
	*l = liveness(strings.ToUpper(string(text)))
	if !slices.Contains(client.AllLiveness, client.Liveness(*l)) {
		return fmt.Errorf("must be ONLINE, SUSPECT or OFFLINE but got %q", text)
	}
	return nil
}

// Run prints the hives that are meant.
func (c *Hives) Run(ctx context.Context, stdout io.Writer) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	page, err := server.Hives(ctx, c.query())
	if err != nil {
		return err
	}
	err = c.print(stdout, page, func(w io.Writer) error {
		now, err := clock(ctx, server)
		if err != nil {
			return err
		}
		return table(w, hiveHeader, hiveRows(page.Nodes, now()))
	})
	return errors.Join(err, c.note(stdout, len(page.Nodes), page.TotalCount, "hives"))
}

func (c *Hives) query() client.HivesQuery {
	f := &client.HiveFilter{}
	for _, l := range c.Liveness {
		f.Liveness = append(f.Liveness, client.Liveness(l))
	}
	if c.Available {
		f.Available = &c.Available
	}
	if c.Search != "" {
		f.Search = &c.Search
	}
	return client.HivesQuery{Filter: f, First: c.First, Offset: c.Offset}
}

// Cordon is `waggle cordon`.
type Cordon struct {
	Connection
	Output
	Hive []string `arg:"" help:"Ids of hives that shall get no new work."`
}

// Run cordons the hives.
func (c *Cordon) Run(ctx context.Context, stdout io.Writer) error {
	return c.each(ctx, stdout, c.Output, c.Hive, (*client.Client).Cordon, "gets no new work until it is uncordoned")
}

// Uncordon is `waggle uncordon`.
type Uncordon struct {
	Connection
	Output
	Hive []string `arg:"" help:"Ids of hives that shall get new work again."`
}

// Run uncordons the hives.
func (c *Uncordon) Run(ctx context.Context, stdout io.Writer) error {
	return c.each(ctx, stdout, c.Output, c.Hive, (*client.Client).Uncordon, "may get new work again")
}

// each does something to every hive, and fails in the end if there was one that could not be found. When the server fails in between, it is told what
// was done all the same.
func (c *Connection) each(ctx context.Context, stdout io.Writer, out Output, ids []string,
	do func(*client.Client, context.Context, string) (*client.Hive, error), what string,
) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	done := []*client.Hive{}
	var missing []string
	var failed error
	for i, id := range ids {
		h, err := do(server, ctx, id)
		if err != nil {
			failed = fmt.Errorf("%w; not done: %s", err, strings.Join(ids[i:], ", "))
			break
		}
		if h == nil {
			missing = append(missing, fmt.Sprintf("%q", id))
		} else {
			done = append(done, h)
		}
	}
	err = out.print(stdout, done, func(w io.Writer) error {
		for _, h := range done {
			if _, err := fmt.Fprintf(w, "%s %s.\n", printable(h.Id), what); err != nil {
				return err
			}
		}
		return nil
	})
	if len(missing) > 0 {
		err = errors.Join(err, fmt.Errorf("there is no hive %s", strings.Join(missing, ", ")))
	}
	return errors.Join(err, failed)
}
