package graphqlws

import (
	"sync"
	"testing"
	"testing/synctest"
)

func TestRunnersAreUsedAgainUntilTheyAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r runners
		kept := func() int {
			synctest.Wait()
			r.mu.Lock()
			defer r.mu.Unlock()
			return len(r.idle)
		}
		runSome := func(n int) {
			var together, all sync.WaitGroup
			together.Add(n)
			for range n {
				all.Add(1)
				r.run(func() {
					together.Done()
					together.Wait() // none can be used twice
					all.Done()
				})
			}
			all.Wait()
		}
		for range 3 {
			runSome(5)
			if n := kept(); n != 5 {
				t.Errorf("%d goroutines are kept, want the 5 that were needed", n)
			}
		}
		runSome(2 * maxIdleRunners)
		if n := kept(); n != maxIdleRunners {
			t.Errorf("%d goroutines are kept, want at most %d", n, maxIdleRunners)
		}
		r.close()
		if n := kept(); n != 0 {
			t.Errorf("%d goroutines are kept when there is no socket, want none", n)
		}
		runSome(3)
		if n := kept(); n != 0 {
			t.Errorf("%d goroutines are kept after the end, want none", n)
		}
		r.open()
		runSome(3)
		if n := kept(); n != 3 {
			t.Errorf("%d goroutines are kept, want 3", n)
		}
		r.close()
	})
}
