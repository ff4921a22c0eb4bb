package feed_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"waggle/registry/feed"
)

func read(t *testing.T, f *feed.Feed[int], after, upTo uint64) ([]int, error) {
	t.Helper()
	var got []int
	err := f.After(after, upTo, func(i int) { got = append(got, i) })
	return got, err
}

func TestEntriesAreNumberedFromOneWithoutHoles(t *testing.T) {
	f := feed.New[int](8, 1<<20)
	if f.Last() != 0 {
		t.Errorf("an empty feed has last %d, want 0", f.Last())
	}
	for i := range uint64(5) {
		if n := f.Append(int(i)*10, 1); n != i+1 {
			t.Errorf("entry %d was numbered %d", i+1, n)
		}
	}
	if got, err := read(t, f, 0, 5); err != nil || !slices.Equal(got, []int{0, 10, 20, 30, 40}) {
		t.Errorf("all entries: %v, %v", got, err)
	}
	if got, err := read(t, f, 2, 4); err != nil || !slices.Equal(got, []int{20, 30}) {
		t.Errorf("entries 3 and 4: %v, %v", got, err)
	}
	if got, err := read(t, f, 5, 5); err != nil || got != nil {
		t.Errorf("nothing after the newest: %v, %v", got, err)
	}
}

func TestAReaderTooFarBehindIsToldOfTheGap(t *testing.T) {
	f := feed.New[int](4, 1<<20)
	for i := range 10 {
		f.Append(i+1, 1)
	}
	if got, err := read(t, f, 6, 10); err != nil || !slices.Equal(got, []int{7, 8, 9, 10}) {
		t.Errorf("the newest four: %v, %v", got, err)
	}
	if _, err := read(t, f, 5, 10); !errors.Is(err, feed.ErrGap) {
		t.Errorf("the fifth from the end is gone: %v, want ErrGap", err)
	}
	if _, err := read(t, f, 9, 11); !errors.Is(err, feed.ErrGap) {
		t.Errorf("an entry that is not there yet: %v, want ErrGap", err)
	}
}

func TestASizeBelowOneIsOne(t *testing.T) {
	f := feed.New[int](-3, 1<<20)
	f.Append(1, 1)
	f.Append(2, 1)
	if got, err := read(t, f, 1, 2); err != nil || !slices.Equal(got, []int{2}) {
		t.Errorf("the newest: %v, %v", got, err)
	}
}

func TestWhatTakesMoreMemoryIsRememberedLessLong(t *testing.T) {
	f := feed.New[int](4, 100)
	for i := range 3 {
		f.Append(i+1, 30)
	}
	f.Append(4, 60)
	if got, err := read(t, f, 2, 4); err != nil || !slices.Equal(got, []int{3, 4}) {
		t.Errorf("what there is room for: %v, %v", got, err)
	}
	if _, err := read(t, f, 1, 4); !errors.Is(err, feed.ErrGap) {
		t.Errorf("what there is no room for any more: %v, want ErrGap", err)
	}
	f.Append(5, 1000)
	if got, err := read(t, f, 4, 5); err != nil || !slices.Equal(got, []int{5}) {
		t.Errorf("the newest is remembered however large it is: %v, %v", got, err)
	}
	f.Append(6, 1)
	if got, err := read(t, f, 5, 6); err != nil || !slices.Equal(got, []int{6}) {
		t.Errorf("and the one after it: %v, %v", got, err)
	}
}

func TestReadersWakeWithTheNextEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := feed.New[int](4, 1<<20)
		start := time.Now()
		var woken sync.WaitGroup
		for range 3 {
			woken.Go(func() {
				<-f.Appended(0)
				if slept := time.Since(start); slept != time.Minute {
					t.Errorf("woken after %s, want 1m", slept)
				}
			})
		}
		time.Sleep(time.Minute)
		f.Append(1, 1)
		woken.Wait()
		<-f.Appended(0) // there is one already: no waiting
		select {
		case <-f.Appended(1):
			t.Error("woken although nothing came after entry 1")
		default:
		}
	})
}

// Every reader sees every entry once and in order, or is told of a gap and starts over behind it.
func TestManyReadersBesideOneWriter(t *testing.T) {
	const entries, readers = 20_000, 8
	f := feed.New[uint64](256, 200)
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for seen := uint64(0); seen < entries; {
				<-f.Appended(seen)
				last := f.Last()
				next := seen + 1
				err := f.After(seen, last, func(n uint64) {
					if n != next {
						t.Errorf("got entry %d, want %d", n, next)
					}
					next++
				})
				if err == nil && next != last+1 {
					t.Errorf("got entries up to %d without a word of a gap, want %d", next-1, last)
				}
				seen = last
			}
		})
	}
	for n := range uint64(entries) {
		f.Append(n+1, int(n%90)) // large ones make others forgotten before the feed is full
	}
	all.Wait()
}

func TestFeedAgainstASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 9).Draw(t, "size")
		room := rapid.IntRange(0, 50).Draw(t, "room")
		f := feed.New[int](size, room)
		var model, sizes []int
		// remembered is how many there is room for, and one at least.
		remembered := func() int {
			n, bytes := 0, 0
			for i := len(sizes) - 1; i >= 0 && n < size; i-- {
				if bytes += sizes[i]; bytes > room && n > 0 {
					break
				}
				n++
			}
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				v := rapid.Int().Draw(t, "value")
				bytes := rapid.IntRange(0, 20).Draw(t, "bytes")
				model, sizes = append(model, v), append(sizes, bytes)
				if n := f.Append(v, bytes); n != uint64(len(model)) {
					t.Fatalf("numbered %d, want %d", n, len(model))
				}
			},
			"read": func(t *rapid.T) {
				after := rapid.IntRange(0, len(model)).Draw(t, "after")
				upTo := rapid.IntRange(after, len(model)).Draw(t, "upTo")
				var got []int
				err := f.After(uint64(after), uint64(upTo), func(v int) { got = append(got, v) })
				if held := upTo == after || after >= len(model)-remembered(); held != (err == nil) {
					t.Fatalf("after %d up to %d of %d, size %d, room %d, %v: %v", after, upTo, len(model), size, room, sizes, err)
				}
				if err == nil && !slices.Equal(got, model[after:upTo]) {
					t.Fatalf("got %v, want %v", got, model[after:upTo])
				}
			},
		})
	})
}
