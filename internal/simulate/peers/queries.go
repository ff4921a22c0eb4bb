package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"waggle/internal/simulate"
	"waggle/internal/simulate/process"
	"waggle/internal/simulate/wire"
)

const askedModel = "microsoft/Phi-3.5-mini-instruct"

// queries asks for the first 5 workers of a model, in a fleet and in one ten times as large.
func queries(ctx context.Context, b bench) ([]row, error) {
	var sides []side
	for _, workers := range []int{10_000, 100_000} {
		ours := fmt.Sprintf("waggle, %d workers", workers)
		sides = append(sides, side{who: ours}, side{who: fmt.Sprintf("gqlgen, %d", workers), against: ours, aim: 1.3}, side{who: fmt.Sprintf("net/http, %d", workers), against: ours})
	}
	stop, err := b.serveSides(ctx, sides, "waggle", "gqlgen", "net/http", "waggle", "gqlgen", "net/http")
	defer stop()
	if err != nil {
		return nil, err
	}
	query := wire.AppendOperation(nil, simulate.WorkersQuery, fmt.Appendf(nil, `{"model":%q,"free":1000}`, askedModel))
	for i, hives := range []int{10_000 / hiveSize, 100_000 / hiveSize} {
		all := reports(hives, 1)
		inputs := lists(all)
		some := sides[3*i : 3*i+3]
		some[0].do = posts(some[0].server, "/graphql", [][]byte{query}, 1)
		some[0].prepare = fill(some[0].server, "/graphql", each(inputs, func(list []byte) []byte {
			return wire.AppendOperation(nil, simulate.HeartbeatsQuery, fmt.Appendf(nil, `{"inputs":%s}`, list))
		}))
		some[1].do = posts(some[1].server, "/graphql", [][]byte{query}, 1)
		if err := fill(some[1].server, "/graphql", each(all, single))(ctx); err != nil { // once: it forgets nobody
			return nil, err
		}
		some[2].do = gets(some[2].server, "/workers?idle=true&minFreeVramMb=1000&model="+url.QueryEscape(askedModel))
		some[2].prepare = fill(some[2].server, "/heartbeats", inputs)
	}
	return b.hold(ctx, "first 5 idle workers of a model", sides)
}

// gets asks for one path over and over.
func gets(s *process.Server, path string) func(context.Context, time.Duration) (figure, error) {
	return func(ctx context.Context, length time.Duration) (figure, error) {
		to, err := wire.ParseAddress(s.URL, "")
		if err != nil {
			return figure{}, err
		}
		var requesters [inFlight]*wire.Requester
		for i := range requesters {
			requesters[i] = wire.NewRequester(to.At(path), http.MethodGet)
			defer requesters[i].Close()
		}
		return saturate(ctx, s, length, 1, func(ctx context.Context, part, _ int) error {
			_, err := requesters[part].Do(ctx, nil)
			return err
		})
	}
}

// fill sends each body once, so that the fleet is there.
func fill(s *process.Server, path string, bodies [][]byte) func(context.Context) error {
	return func(ctx context.Context) error {
		to, err := wire.ParseAddress(s.URL, "")
		if err != nil {
			return err
		}
		r := wire.NewRequester(to.At(path), http.MethodPost)
		defer r.Close()
		for _, body := range bodies {
			answer, err := r.Do(ctx, body)
			if err != nil || bytes.Contains(answer, []byte(`"errors":[`)) {
				return fmt.Errorf("cannot fill: %.200s, %w", answer, err)
			}
		}
		return nil
	}
}
