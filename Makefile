# `make test` is what CI runs. Tools are pinned here and fetched on first use.
GOLANGCI  := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: test
test: fresh lint test-go test-web ## Everything CI runs.

.PHONY: fresh
fresh: ## Generated code and go.mod are what the sources give.
	go generate ./...
	git diff --exit-code -- graph client internal/graphqlexec/exectest
	go mod tidy -diff
	./web/fresh.sh

.PHONY: lint
lint:
	go vet ./...
	$(GOLANGCI) run ./...

.PHONY: test-go
test-go:
	go test -race -shuffle=on ./...

.PHONY: test-web
test-web: ## The page: types, lint, unit tests, and a real browser against the real server.
	./web/test.sh

# The server collects garbage at this pace too. COUNT=6 is for benchstat.
BENCH := GOGC=300 go test -run '^$$' -benchmem -count $(or $(COUNT),1)

.PHONY: bench
bench: ## The registry, a request without its socket, and the mirror; for benchstat with COUNT=6.
	$(BENCH) -bench . -skip 'Fanout|IdleSubscriber' ./registry ./client .

.PHONY: bench-live
bench-live: ## Fan-out to subscribers beside a raw broadcast and gqlgen's own transport, and memory of idle ones: server on one core, clients on the other.
	$(BENCH) -bench Fanout -cpu 1 -benchtime $(or $(ROUNDS),5)x -exec "$(shell command -v taskset >/dev/null && echo taskset -c 0)" .
	$(BENCH) -bench IdleSubscriber -benchtime 1x .

.PHONY: bench-fleet
bench-fleet: ## A whole server under load: heartbeats, schedulers, dashboards, a mirror. Takes 3 minutes.
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && go build -o $$dir/ . ./internal/simulate/fleetbench && \
		ulimit -n $$(ulimit -Hn) && GOMAXPROCS=1 taskset -c 1 $$dir/fleetbench -waggle $$dir/waggle

.PHONY: bench-peers
bench-peers: ## Waggle beside stock gqlgen, plain net/http and etcd doing the same: each on one core, the load on the other. Takes three minutes.
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && go build -o $$dir/waggle . && (cd internal/simulate/peers && go build -o $$dir/peers .) && \
		GOMAXPROCS=1 taskset -c 1 $$dir/peers -waggle $$dir/waggle

.PHONY: soak
soak: ## A hundred copies of the registry through thousands of cut sockets, for ten minutes; 10,000 sockets that come and are cut.
	WAGGLE_SOAK=10m go test -run TestCopiesStayRightThroughCuts -timeout 15m -v .
	WAGGLE_SOAK=1 go test -run TestSocketsThatAreCut -v ./internal/graphqlws

.PHONY: bench-web
bench-web: ## What the page costs with 2,000, 10,000 and 100,000 workers, and over ten minutes. Takes 20 minutes.
	./web/bench.sh

.PHONY: web
web: ## Rebuilds the page that is committed in web/dist.
	cd web && npm ci --ignore-scripts --no-audit --no-fund && npm run codegen && npm run build

.PHONY: generate
generate: ## Regenerates all generated code.
	go generate ./...

.PHONY: help
help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
