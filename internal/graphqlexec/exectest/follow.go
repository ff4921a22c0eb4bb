package exectest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"waggle/internal/graphqlexec"
)

// follow is how a resolver of changes serves members and joins.
func (r *Resolver) follow(ctx context.Context, s *graphqlexec.Stream[*Change], prefix string) {
	defer s.Close()
	_, at, grown := r.Log.Since(0) // The members are at this revision; there are none yet.
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.Waiting():
			for {
				j, ok := s.NextJoin()
				if !ok {
					break
				}
				// The members come first to where the joiners will be.
				at, grown = r.advance(s, at, prefix)
				if err := r.join(s, j, at, prefix); err != nil {
					s.Refuse(j, err)
				}
			}
		case <-grown:
			at, grown = r.advance(s, at, prefix)
		}
	}
}

// advance sends the members what they lack.
func (r *Resolver) advance(s *graphqlexec.Stream[*Change], at int, prefix string) (int, <-chan struct{}) {
	texts, rev, grown := r.Log.Since(at)
	texts = matching(texts, prefix)
	r.plant(rev, &texts)
	if len(texts) > 0 {
		s.Send(&Change{Revision: rev, Complete: true, Texts: texts}, strconv.Itoa(rev))
	}
	return rev, grown
}

// plant breaks the promise on purpose, now and then.
func (r *Resolver) plant(rev int, texts *[]string) {
	if len(*texts) == 0 || rev%3 != 0 {
		return
	}
	switch r.PlantedFault {
	case "lost":
		*texts = (*texts)[1:]
	case "repeated":
		*texts = append(*texts, (*texts)[0])
	case "swapped":
		slices.Reverse(*texts)
	}
}

// join sends the joiners all up to revision at that they lack.
func (r *Resolver) join(s *graphqlexec.Stream[*Change], j graphqlexec.Join, at int, prefix string) error {
	if r.Executions != nil {
		r.Executions(j.Resume, j.Behind)
	}
	from := 0
	var reset *string
	switch {
	case j.Rest != nil: // The log only grows, so the rest is behind what was sent.
		from = j.Rest.(rest).sent
	case j.Resume != "":
		n, err := strconv.Atoi(j.Resume)
		if err != nil || n < 0 {
			return fmt.Errorf("since must be a revision: %w", ErrPublic)
		}
		from = min(n, at)
	case j.Behind:
		reset = new("TOO_SLOW")
	default:
		reset = new("INITIAL")
	}
	texts, _, _ := r.Log.Since(from)
	texts = texts[:at-from]
	for r.Chunk > 0 && len(texts) > r.Chunk {
		from += r.Chunk
		s.SendPart(j, &Change{Revision: at, Reset: reset, Texts: matching(texts[:r.Chunk], prefix)}, rest{from})
		texts, reset = texts[r.Chunk:], nil
	}
	s.SendJoin(j, &Change{Revision: at, Reset: reset, Complete: true, Texts: matching(texts, prefix)}, strconv.Itoa(at), true)
	return nil
}

// rest is what is left of a snapshot: all but the first texts.
type rest struct{ sent int }

func matching(texts []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return !strings.HasPrefix(t, prefix) })
}
