# Every target works in a fresh clone and needs no environment variable. Written for GNU make
# 3.81 and newer, which is what macOS has.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .imagerun/bin
# A checkout that belongs to somebody else must build too.
export GOFLAGS := -buildvcs=false
# Where there is a browser, the tests that need one are built too.
BROWSER = $(if $(shell scripts/browser.sh),-tags browser)
# What the processes say of themselves. Evaluated only where it is used.
VERSION = $(shell git describe --tags --always --dirty=+ 2>/dev/null || echo dev)

##@ The two commands

.PHONY: demo
demo: deps build ## run the whole product here; ONCE=1 ends after the first image
	@exec $(BIN)/imagerun demo $(if $(ONCE),--once)

.PHONY: test
test: deps ## prove the product against real Postgres, Redis, S3, Better Auth and a browser
	@scripts/browser.sh install >/dev/null
	go vet -tags browser ./...
	go test -timeout 12m $(BROWSER) ./queue/... ./... # what takes longest begins first

##@ Development

.PHONY: build
build: ## build every binary into .imagerun/bin
	@mkdir -p $(BIN)
	go build -trimpath -ldflags "-X imagerun/internal/telemetry.version=$(VERSION)" -o $(BIN)/ ./cmd/...

.PHONY: test-race
test-race: deps ## the same tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 30m ./...

.PHONY: prove
prove: deps ## the long proofs in full
	IMAGERUN_PROVE=1 go test -count=1 -timeout 2h -run Prove -v ./...

.PHONY: lint
lint: ## golangci-lint, and the dependency rule
	@scripts/tool.sh golangci-lint
	$(BIN)/golangci-lint run ./...
	go test -count=1 ./internal/arch

.PHONY: generate
generate: deps tools ## SQL and HTTP code, config.example.yaml, migrations/schema.sql
	$(BIN)/sqlc generate
	go generate ./...
	go run ./cmd/imagerun config example > config.example.yaml.new
	mv config.example.yaml.new config.example.yaml
	go test -count=1 -run "TestSchemaDump|TestRights$$" ./migrations -update

.PHONY: verify
verify: deps ## fail if what `generate` makes is stale, or a column lacks its erase rule
	@scripts/tool.sh sqlc
	@scripts/tool.sh oapi-codegen
	@scripts/verify.sh
	go test -count=1 ./migrations

##@ Measurements

# A bench exits 0 when it measured, whether its aim was met or not. FLAGS="-rounds 5 -jobs 20000".
.PHONY: bench bench-accept bench-start bench-work bench-enqueue bench-redis bench-fair bench-inflight
bench: deps ## measure ours beside bare asynq and River; FLAGS="-rounds 5"
	@cd bench && go run . $(FLAGS)

bench-accept: deps ## generations accepted a second, and how soon
	@cd bench && go run . $(FLAGS) accept

bench-start: deps ## from a commit to its handler running
	@cd bench && go run . $(FLAGS) start

bench-work: deps ## durable jobs a second
	@cd bench && go run . $(FLAGS) work

bench-enqueue: deps ## staging, singly and in bulk
	@cd bench && go run . $(FLAGS) enqueue

bench-redis: deps ## bytes of Redis for a waiting job, and what an idle worker asks
	@cd bench && go run . $(FLAGS) redis

bench-fair: deps ## who waits how long when one user asks for a thousand
	@cd bench && go run . $(FLAGS) fair

bench-inflight: deps tools ## ten thousand generations at once on one worker
	@cd bench && go run . $(FLAGS) inflight

.PHONY: bench-test
bench-test: deps ## do the benches run at all?
	cd bench && go vet ./... && go test -count=1 -timeout 5m ./...

##@ Set-up

.PHONY: deps
deps: ## install what is missing on this machine (silent when nothing is)
	@scripts/deps.sh

.PHONY: tools
tools: ## build the pinned tools into .imagerun/bin
	@for tool in versitygw sqlc oapi-codegen golangci-lint; do scripts/tool.sh $$tool || exit 1; done

.PHONY: clean
clean: ## remove what was built, and all data of the demo
	@if [ -L .imagerun/state ]; then rm -rf "$$(readlink .imagerun/state)"; fi
	rm -rf .imagerun auth/node_modules internal/simulators/*/sdktest/node_modules internal/httpapi/contracttest/node_modules internal/httpapi/contracttest/lint/node_modules

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
