//go:build unix

package graphqlws_test

import (
	"strconv"
	"strings"
	"testing"

	"waggle/internal/graphqlws"
)

func TestLittleIsHeldForAReaderThatStops(t *testing.T) {
	const most = 2 << 20
	for _, size := range []int{2_000, 20_000, 200_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			s := newServer(t, graphqlws.Config{})
			stopped := s.open(t)
			stopped.say(subscribeMsg("s", `subscription{changes{revision texts}}`))
			waitFor(t, "it to subscribe", func() bool { return s.exec.Stats().Groups == 1 })
			held := 0
			for s.Stats().SlowConsumers == 0 {
				before := s.exec.Stats().Elements
				s.log.Append(strings.Repeat("x", size))
				waitFor(t, "it to be taken up", func() bool { return s.exec.Stats().Elements > before || s.Stats().SlowConsumers > 0 })
				held = max(held, s.MostHeld())
			}
			t.Logf("at most %d bytes were held", held)
			if held < 64<<10 || held > most {
				t.Errorf("%d bytes were held, want what the kernel takes and at most %d", held, most)
			}
		})
	}
}
