# Needs make and Go; everything else is installed by the targets that need it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Go never replaces itself here: the version that go.mod asks for is a prerequisite, checked in words.
export GOTOOLCHAIN := local

# Our own modules. tools/ only pins versions and deploy/berth-temporal is apart for its weight.
MODULES := . deploy/berth-temporal tools
TOOLS := $(CURDIR)/bin/tools
# One way to compile all that does not run under the race detector. Building, linting and generating then share the build
# cache, which for the 1,800 packages of berth-temporal is a matter of minutes.
PLAIN := CGO_ENABLED=0 GOFLAGS=-trimpath
E2E_TIMEOUT ?= 25m
E2E_FULL_TIMEOUT ?= 8h

##@ Targets

.PHONY: help
help: ## List them
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Build and run

.PHONY: run
run: packages-run build ## Start the whole platform with the lab; state in BERTH_DATA (./data)
	exec bin/berth standalone --lab

.PHONY: build
build: bin/berth bin/pebble $(if $(TEMPORAL_ADDRESS),,bin/berth-temporal) ## Build bin/berth, the lab's bin/pebble, and bin/berth-temporal unless TEMPORAL_ADDRESS is set

# go build knows better than make what has changed, so both always ask it.
.PHONY: bin/berth
bin/berth: go-version
	$(PLAIN) go build -o $@ ./cmd/berth

# The lab's certificate authority.
.PHONY: bin/pebble
bin/pebble: go-version
	cd tools && $(PLAIN) go build -o $(CURDIR)/$@ github.com/letsencrypt/pebble/v2/cmd/pebble

.PHONY: bin/berth-temporal
bin/berth-temporal: go-version
	@[[ -e $@ ]] || echo "The first build of the Temporal server takes some minutes."
	cd deploy/berth-temporal && $(PLAIN) go build -ldflags "-s -w" -o $(CURDIR)/$@ .

##@ Test

.PHONY: test
test: packages-test build ## Run the tests of all modules with the race detector
	go test -race -timeout 20m ./...
	cd deploy/berth-temporal && go test -race ./internal/...
# The system tests drive a process of their own, in which a race detector would have nothing of ours to look at; without
# it they share the build cache of bin/berth-temporal.
	cd deploy/berth-temporal && $(PLAIN) go test -timeout 10m ./systemtest/...

.PHONY: e2e
e2e: packages-test build ## Run the whole system against a seeded subset of the fault matrix (BERTH_E2E_SEED)
	BERTH_E2E=subset go test -tags e2e -count=1 -timeout $(E2E_TIMEOUT) ./e2e/...

.PHONY: e2e-full
e2e-full: packages-test build ## Run the whole fault matrix and write docs/reliability.md; takes about half an hour
	BERTH_E2E=full go test -tags e2e -count=1 -timeout $(E2E_FULL_TIMEOUT) ./e2e/...

.PHONY: bench
bench: packages-test build ## Measure overhead, throughput, latencies and memory of the roles (BENCH_BASE, BENCH_COUNT)
	go test -tags e2e -count=1 -v -timeout 60m ./bench/...

.PHONY: bench-docs
bench-docs: go-version ## Write the results of make bench into docs/performance.md
	go run ./bench/benchdocs

##@ Check

.PHONY: lint
lint: tools ## Check style, layers, determinism of workflows and shell scripts
	scripts/lint-layers
	$(PLAIN) $(TOOLS)/golangci-lint run ./...
	cd deploy/berth-temporal && $(PLAIN) $(TOOLS)/golangci-lint run -c $(CURDIR)/.golangci.yml ./...
	if [[ -d workflows ]]; then $(PLAIN) $(TOOLS)/workflowcheck $(if $(wildcard workflows/workflowcheck.yaml),-config workflows/workflowcheck.yaml) ./workflows/...; fi
	for script in scripts/* .ci/run deploy/make-certificate; do bash -n "$$script"; done

.PHONY: verify
# Files *.gen.go stay as their generator formats them.
verify: generate ## Fail when generated code, formatting or go.mod differ from what is committed
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' ':!*.gen.go' | xargs -r $(TOOLS)/gofumpt -l); \
		[[ -z $$unformatted ]] || { echo "Not formatted by gofumpt: $$unformatted" >&2; exit 1; }
	for module in $(MODULES); do (cd "$$module" && go mod tidy -diff); done
	git diff --exit-code

.PHONY: generate
generate: tools ## Write generated code and documents again
	PATH="$(TOOLS):$$PATH" $(PLAIN) go generate ./...

.PHONY: vuln
vuln: tools ## Look for known vulnerabilities; asks vuln.go.dev, so it needs the internet
	$(TOOLS)/govulncheck ./...
	cd deploy/berth-temporal && $(TOOLS)/govulncheck ./...

.PHONY: clean
clean: ## Remove what was built; BERTH_DATA stays
	rm -rf bin bench/results

##@ Prerequisites

.PHONY: tools
tools: $(TOOLS)/.built ## Build the pinned tools into bin/tools

$(TOOLS)/.built: tools/go.mod tools/go.sum | go-version
	cd tools && GOBIN=$(TOOLS) CGO_ENABLED=0 go install tool
	@touch $@

.PHONY: go-version
go-version:
	@scripts/check-go

.PHONY: packages-run packages-test
packages-run: ; @scripts/install-packages run
packages-test: ; @scripts/install-packages test
