# `make` is the whole gate: what CI runs and what a change must pass. Nothing is needed but Go, a C
# compiler for the race detector, and, to compare generated code, protoc.

GO ?= go
# Every module but tools is built, vetted, tested and linted.
MODULES := $(patsubst %/go.mod,%,$(filter-out tools/go.mod,$(wildcard go.mod */go.mod)))
MODULES := $(patsubst go.mod,.,$(MODULES))
PLATFORMS := darwin/arm64 windows/amd64 # one of each system: the other processors share every file's build tags

BIN := $(CURDIR)/bin
GOLANGCI_LINT := $(BIN)/golangci-lint
PROTO_PLUGINS := $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc

.DEFAULT_GOAL := all
.NOTPARALLEL:
.DELETE_ON_ERROR:

.PHONY: all
all: build vet tidy generated lint cross test ## the whole gate
	@echo "all passed: $(MODULES)"

.PHONY: help
help: ## what the targets do
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

# each runs a command in every module, or in those that are named, and stops at the first that does not pass.
define each
	@set -e; for module in $(or $(2),$(MODULES)); do \
		echo "$(1) ($$module)"; (cd $$module && $(1)); \
	done
endef

# The benchmark's peers bring most of all code that is compiled here. It is vetted by the linter alone,
# and tested without the race detector, which would compile them once more.
OTHERS := $(filter-out bench,$(MODULES))

.PHONY: build
build: ## build every module, and the command to bin/panda
	$(call each,$(GO) build ./...)
	$(GO) build -o $(BIN)/panda ./cmd/panda

.PHONY: vet
vet: ## go vet
	$(call each,$(GO) vet ./...,$(OTHERS))

.PHONY: test
test: ## all tests of all modules, with the race detector; README's commands among them
	$(call each,$(GO) test -race -timeout 12m ./...,$(filter-out conformance,$(OTHERS)))
	@$(test-conformance)
	cd bench && $(GO) test -timeout 12m ./...

# These packages of conformance compare with others over a corpus. How much was compared belongs to the result, and go
# test shows nothing of what passes, cached or not, but with -v: of that, the counts are shown, and what was skipped. They
# compute for minutes and wait for nothing, so they take what the others, which wait most of the time, leave of the processors.
COUNTING := buf protoc
define test-conformance
	cd conformance && log=$$(mktemp) && trap 'rm -f "$$log"' EXIT; \
	nice $(GO) test -race -timeout 20m -v $(COUNTING:%=./%) >"$$log" 2>&1 & counting=$$!; \
	packages=$$($(GO) list ./... | grep -v $(COUNTING:%=-e '/%$$')) || exit; \
	echo "$(GO) test -race (conformance)"; status=0; $(GO) test -race -timeout 12m $$packages || status=$$?; \
	echo "$(GO) test -race $(COUNTING) (conformance)"; \
	if wait $$counting; then \
		sed -n -e 's/^.*_test\.go:[0-9]*: \(compared with \)/\1/p' -e '/^--- SKIP/,/^===\|^PASS/{/^===\|^PASS/!p;}' -e '/^ok/p' "$$log"; \
	else cat "$$log"; status=1; fi; exit $$status
endef

.PHONY: cover
cover: ## coverage of the root module's packages, listed and as bin/cover.html
	@mkdir -p $(BIN)
	$(GO) test -coverpkg=./... -coverprofile=$(BIN)/cover.out ./...
	$(GO) tool cover -html=$(BIN)/cover.out -o $(BIN)/cover.html
	$(GO) tool cover -func=$(BIN)/cover.out | tail -n 1

.PHONY: conformance
conformance: ## the agent and a real Consul, which is built on first use, against the same cases
	cd conformance && $(GO) test -race -count=1 -timeout 12m ./...

# Each drill runs 10 times, which takes most of an hour, as root on Linux; the page says what came of it.
.PHONY: drills
drills: ## the failure drills against a real Consul cluster, and their page in docs/reference
	cd conformance && $(GO) test -count=10 -timeout 90m ./cluster -update

.PHONY: readme
readme: ## run the commands that README and the guide show and compare what they print
	$(GO) test -count=1 -v ./internal/archtest/readme

.PHONY: bench
bench: ## the benchmark against raw grpc-go and the peers; needs a quiet machine
	cd bench && $(GO) run .

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint, all linters but those that .golangci.yml names
	$(call each,$(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./...)

.PHONY: tidy
tidy: ## go.mod and go.sum say what the code needs
	$(call each,$(GO) mod tidy -diff)

# Tests are type-checked too, by the cheapest of vet's checks, for one platform of each system.
.PHONY: cross
cross: ## build for the other systems
	@set -e; for platform in $(PLATFORMS); do \
		echo "build for $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build ./...; \
	done
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 $(GO) vet -tests ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(GO) vet -tests ./...

.PHONY: generate
generate: $(PROTO_PLUGINS) ## write the generated code anew; needs protoc
	@command -v protoc >/dev/null || { echo "generate: protoc is not on PATH; install Debian's protobuf-compiler or your system's like" >&2; exit 1; }
	PATH="$(BIN):$$PATH" tools/generate.sh .

# The version of protoc stands in a comment of each file, and nothing else depends on it.
.PHONY: generated
generated: $(PROTO_PLUGINS) ## the generated code is what its .proto files give
	@command -v protoc >/dev/null || { echo "generated: SKIPPED, protoc is not on PATH; CI compares"; exit 0; }; \
	set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	PATH="$(BIN):$$PATH" tools/generate.sh "$$fresh"; \
	(cd "$$fresh" && find . -name '*.pb.go') | while read -r name; do \
		diff -u -I '^//.*protoc  *v' "$$name" "$$fresh/$$name" || { echo "generated: $$name is stale; run make generate" >&2; exit 1; }; \
	done; \
	echo "generated: up to date"

# Tools are pinned in tools/go.mod and built anew when it changes.
$(GOLANGCI_LINT): tools/go.mod tools/go.sum
	$(GO) -C tools build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/protoc-gen-go: tools/go.mod tools/go.sum
	$(GO) -C tools build -o $@ google.golang.org/protobuf/cmd/protoc-gen-go

$(BIN)/protoc-gen-go-grpc: tools/go.mod tools/go.sum
	$(GO) -C tools build -o $@ google.golang.org/grpc/cmd/protoc-gen-go-grpc

.PHONY: clean
clean: ## remove bin
	rm -rf $(BIN)
