package exectest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"waggle/internal/graphqlexec"
)

func (r *mutationResolver) Append(ctx context.Context, text string) (int, error) {
	return r.Log.Append(text), nil
}

func (r *queryResolver) Echo(ctx context.Context, text string) (string, error) {
	return text, nil
}

func (r *queryResolver) Sum(ctx context.Context, numbers []int) (int, error) {
	sum := 0
	for _, n := range numbers {
		sum += n
	}
	return sum, nil
}

func (r *queryResolver) Node(ctx context.Context) (*Node, error) {
	n := &Node{ID: "n"}
	n.Node = n
	return n, nil
}

func (r *queryResolver) Nodes(ctx context.Context, n int) ([]*Node, error) {
	nodes := make([]*Node, n)
	for i := range nodes {
		nodes[i] = &Node{ID: strconv.Itoa(i)} // Without the node that it must have: an error each.
	}
	return nodes, nil
}

func (r *queryResolver) Fail(ctx context.Context, kind string) (*string, error) {
	return nil, failure(kind)
}

func (r *queryResolver) Typed(ctx context.Context, input *TypedInput, at *time.Time) (string, error) {
	b, err := json.Marshal(input)
	return string(b), err
}

func (r *subscriptionResolver) Changes(ctx context.Context, since *string, prefix *string) (<-chan *Change, error) {
	s := graphqlexec.NewStream[*Change](ctx, deref(since))
	go r.follow(ctx, s, deref(prefix))
	return s.C(), nil
}

func (r *subscriptionResolver) Size(ctx context.Context, prefix *string) (<-chan int, error) {
	c := make(chan int, 1)
	go func() {
		defer close(c)
		for last := -1; ; {
			texts, _, grown := r.Log.Since(0)
			n := 0
			for _, t := range texts {
				if strings.HasPrefix(t, deref(prefix)) {
					n++
				}
			}
			if n != last {
				select {
				case c <- n:
				case <-ctx.Done():
					return
				}
				last = n
			}
			select {
			case <-grown:
			case <-ctx.Done():
				return
			}
		}
	}()
	return c, nil
}

func (r *subscriptionResolver) Count(ctx context.Context, to int) (<-chan int, error) {
	c := make(chan int)
	go func() {
		defer close(c)
		for i := 1; i <= to; i++ {
			select {
			case c <- i:
			case <-ctx.Done():
				return
			}
			time.Sleep(r.Pace)
		}
	}()
	return c, nil
}

func (r *subscriptionResolver) Broken(ctx context.Context, kind string) (<-chan int, error) {
	return nil, failure(kind)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func failure(kind string) error {
	switch kind {
	case "panic":
		panic("secret of the resolver")
	case "public":
		return fmt.Errorf("cannot: %w", ErrPublic)
	default:
		return errors.New("secret of the resolver")
	}
}

// Mutation serves the root type Mutation.
func (r *Resolver) Mutation() MutationResolver { return &mutationResolver{r} }

// Query serves the root type Query.
func (r *Resolver) Query() QueryResolver { return &queryResolver{r} }

// Subscription serves the root type Subscription.
func (r *Resolver) Subscription() SubscriptionResolver { return &subscriptionResolver{r} }

type (
	mutationResolver     struct{ *Resolver }
	queryResolver        struct{ *Resolver }
	subscriptionResolver struct{ *Resolver }
)
