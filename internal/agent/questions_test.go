package agent

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"waggle/internal/agent/proc"
)

func TestAnAnswerIsNeverTakenForThatOfAnotherProcess(t *testing.T) {
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-turn
		_, _ = w.Write([]byte("vllm:num_requests_running 3\n"))
	}))
	defer srv.Close()
	at := func(id proc.ID) survey {
		w := serving(id.PID, "vllm serve X --port 81")
		w.ID, w.address = id, netip.MustParseAddrPort(srv.Listener.Addr().String())
		return survey{workers: []*worker{w}}
	}
	q := newQuestions(5 * time.Second)
	defer q.close()
	var running sync.WaitGroup
	before, after := proc.ID{PID: 7, Start: 1}, proc.ID{PID: 7, Start: 2} // A recycled pid, at the same port.
	q.ask(t.Context(), &running, at(before))
	running.Wait()
	if got, fresh, _ := q.answers(time.Minute)(before); !fresh || deref(got.Running) != 3 {
		t.Fatalf("got %+v", got)
	}
	q.ask(t.Context(), &running, at(after))
	for _, id := range []proc.ID{before, after} {
		if got, _, known := q.answers(time.Minute)(id); known {
			t.Errorf("%v has answered %+v, but one is gone and the other has not answered yet", id, got)
		}
	}
	turn <- struct{}{}
	running.Wait()
	if got, fresh, _ := q.answers(time.Minute)(after); !fresh || deref(got.Running) != 3 {
		t.Errorf("got %+v", got)
	}
	if _, fresh, known := q.answers(-time.Second)(after); fresh || !known {
		t.Error("an answer that is too old is known, but not fresh")
	}
}
