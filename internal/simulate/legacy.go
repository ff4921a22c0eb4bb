package simulate

import (
	"strings"
	"time"

	"waggle/client"
)

// The legacy body, as rbee's hives send it; sizes and units are as in client.HeartbeatInput.
type (
	legacyHeartbeat struct {
		Hive      legacyHive     `json:"hive"`
		Timestamp string         `json:"timestamp"`
		Workers   []legacyWorker `json:"workers"`
	}
	legacyHive struct {
		ID                string       `json:"id"`
		Hostname          string       `json:"hostname"`
		Port              int          `json:"port"`
		OperationalStatus string       `json:"operational_status"`
		HealthStatus      legacyHealth `json:"health_status"`
		Version           string       `json:"version"`
	}
	legacyHealth struct {
		Status string  `json:"status"`
		Reason *string `json:"reason,omitempty"`
	}
	legacyWorker struct {
		PID         int     `json:"pid"`
		Group       string  `json:"group"`
		Instance    string  `json:"instance"`
		CPUPct      float64 `json:"cpu_pct"`
		RSSMB       int     `json:"rss_mb"`
		IOReadMBS   float64 `json:"io_r_mb_s"`
		IOWriteMBS  float64 `json:"io_w_mb_s"`
		UptimeS     int     `json:"uptime_s"`
		GPUUtilPct  float64 `json:"gpu_util_pct"`
		VRAMMB      int     `json:"vram_mb"`
		TotalVRAMMB int     `json:"total_vram_mb"`
		Model       *string `json:"model"`
	}
)

func legacyBody(beat *client.HeartbeatInput) *legacyHeartbeat {
	h := beat.Hive
	body := &legacyHeartbeat{
		Hive: legacyHive{ID: h.Id, Hostname: h.Hostname, Port: h.Port, Version: h.Version,
			OperationalStatus: strings.ToLower(string(h.OperationalStatus)),
			HealthStatus:      legacyHealth{strings.ToLower(string(h.HealthStatus)), h.HealthReason}},
		Timestamp: time.Now().UTC().Format(time.RFC3339Nano),
		Workers:   make([]legacyWorker, 0, len(beat.Workers)),
	}
	for _, w := range beat.Workers {
		body.Workers = append(body.Workers, legacyWorker{
			PID: *w.Pid, Group: w.Group, Instance: w.Instance, CPUPct: *w.CpuPercent, RSSMB: *w.RssMb, IOReadMBS: *w.IoReadMbPerSecond,
			IOWriteMBS: *w.IoWriteMbPerSecond, UptimeS: *w.UptimeSeconds, GPUUtilPct: *w.GpuUtilizationPercent, VRAMMB: *w.VramUsedMb,
			TotalVRAMMB: *w.VramTotalMb, Model: w.Model,
		})
	}
	return body
}
