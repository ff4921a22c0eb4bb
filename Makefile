# `make test` is what CI runs. Tools are pinned here and fetched on first use.
GOLANGCI  := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: test
test: fresh lint test-go ## Everything CI runs.

.PHONY: fresh
fresh: ## Generated code and go.mod are what the sources give.
	go generate ./...
	git diff --exit-code -- graph client
	go mod tidy -diff

.PHONY: lint
lint:
	go vet ./...
	$(GOLANGCI) run ./...

.PHONY: test-go
test-go:
	go test -race -shuffle=on ./...

.PHONY: generate
generate: ## Regenerates all generated code.
	go generate ./...

.PHONY: help
help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
