package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"waggle/client"
)

// table writes rows in columns. What hives report may be anything, so that control characters, which could move a
// terminal's cursor, are shown as question marks.
func table(w io.Writer, header string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, header) // Errors of a tabwriter come with Flush.
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
		_, _ = fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	return tw.Flush()
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

const workerHeader = "WORKER\tMODEL\tACTIVITY\tGPU\tVRAM USED\tVRAM FREE\tRUNNING\tQUEUED\tUP\tHIVE IS"

func workerRows(workers []*client.Worker) [][]string {
	rows := make([][]string, 0, len(workers))
	for _, w := range workers {
		rows = append(rows, []string{w.Id, text(w.Model), string(w.Activity), percent(w.GpuUtilizationPercent), megabytes(w.VramUsedMb),
			megabytes(w.VramFreeMb), number(w.RequestsRunning), number(w.RequestsQueued), seconds(w.UptimeSeconds), hiveIs(w.Liveness, w.Available)})
	}
	return rows
}

const hiveHeader = "HIVE\tADDRESS\tSTATUS\tHEALTH\tLIVENESS\tWORK\tDEVICES\tWORKERS\tLAST SEEN"

func hiveRows(hives []*client.Hive, now time.Time) [][]string {
	rows := make([][]string, 0, len(hives))
	for _, h := range hives {
		health := string(h.Health.Status)
		if h.Health.Reason != nil {
			health += ": " + *h.Health.Reason
		}
		work := "yes"
		switch {
		case h.Cordoned:
			work = "cordoned"
		case !h.Available:
			work = "no"
		}
		rows = append(rows, []string{h.Id, h.Endpoint, string(h.OperationalStatus), health, string(h.Liveness), work, devices(h.Devices),
			strconv.Itoa(len(h.Workers)), max(now.Sub(h.LastSeenAt), 0).Round(100*time.Millisecond).String() + " ago"})
	}
	return rows
}

// devices sums up, e.g. "8 x NVIDIA H200".
func devices(all []*client.Device) string {
	var names []string
	counts := map[string]int{}
	for _, d := range all {
		if counts[d.Name]++; counts[d.Name] == 1 {
			names = append(names, d.Name)
		}
	}
	for i, name := range names {
		if n := counts[name]; n > 1 {
			names[i] = fmt.Sprintf("%d x %s", n, name)
		}
	}
	return orDash(strings.Join(names, ", "))
}

func hiveIs(l client.Liveness, available bool) string {
	if l == client.LivenessOnline && !available {
		return "ONLINE, closed"
	}
	return string(l)
}

// Unknown figures are dashes, never zeros.

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return orDash(*s)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func number(n *int) string {
	if n == nil {
		return "-"
	}
	return strconv.Itoa(*n)
}

func percent(p *float64) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", *p)
}

func megabytes(mb *int) string {
	switch {
	case mb == nil:
		return "-"
	case *mb < 10_240:
		return fmt.Sprintf("%d MB", *mb)
	}
	return fmt.Sprintf("%.1f GB", float64(*mb)/1024)
}

func seconds(s *int) string {
	if s == nil {
		return "-"
	}
	d := time.Duration(*s) * time.Second
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return d.String()
}
