package client_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"waggle/client"
)

// A slow OnChange is not the server's silence.
func TestAMirrorThatIsBusyDoesNotSubscribeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := speakingInTime(t, client.Config{}, func(p *peer) {
			id, sub := p.accept()
			if since := sub.Variables["since"]; since != nil {
				t.Errorf("subscribes anew since %v", since)
			}
			p.next(id, changes("e.1", "INITIAL", true, []string{workerAt("a/llm/1", "m", 1)}, nil))
			p.next(id, changes("e.2", "", true, nil, nil))
			p.drain()
		})
		await(t, mirroring(t, c, client.MirrorConfig{OnChange: func(client.Change) { time.Sleep(27 * time.Second) }}), "e.2")
	})
}

func TestAMirrorSubscribesAnewWhenTheServerSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan time.Time, 1)
		c := speakingInTime(t, client.Config{Interrupted: func(error, time.Duration) { told <- time.Now() }}, func(p *peer) {
			id, sub := p.accept()
			if p.nth == 1 {
				p.next(id, changes("e.1", "INITIAL", true, nil, nil))
			} else {
				if got := sub.Variables["since"]; got != "e.1" {
					t.Errorf("goes on since %v, want e.1", got)
				}
				p.next(id, changes("e.2", "", true, nil, nil))
			}
			p.drain() // answers pings, so that the connection looks well
		})
		start := time.Now()
		await(t, mirroring(t, c, client.MirrorConfig{}), "e.2")
		if after := (<-told).Sub(start); after != 25*time.Second {
			t.Errorf("told of it after %v, want 25 s", after)
		}
	})
}

func TestWatchNoticesAServerThatFellSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan time.Time, 1)
		c := speakingInTime(t, client.Config{Interrupted: func(error, time.Duration) { told <- time.Now() }}, func(p *peer) {
			id, _ := p.accept()
			p.next(id, fmt.Sprintf(`{"ticks":%d}`, p.nth))
			for p.nth == 1 { // Reads, but says nothing, not even pong.
				if _, _, err := p.conn.ReadMessage(); err != nil {
					return
				}
			}
			p.drain()
		})
		start := time.Now()
		for tick, err := range client.Watch[tick](t.Context(), c, ticks, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if tick.Ticks == 2 {
				break
			}
		}
		if after := (<-told).Sub(start); after != 12500*time.Millisecond {
			t.Errorf("told of it after %v, want two and a half pings", after)
		}
	})
}
