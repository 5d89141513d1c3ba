# make help lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
# Tests share two cores with the programs that they start.
.NOTPARALLEL:

GO ?= go
E2E := ./cmd/wsgate/e2e
FUZZTIME ?= 5s
# Arguments of wsbench compare and scale, such as BENCH="--rounds 5" and
# SCALE="--pairs 500000".
BENCH ?=
SCALE ?=

# The version is what git calls this commit; a build elsewhere has none.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := $(if $(VERSION),-X main.version=$(VERSION))

# node modules may hold Go files.
PACKAGES = $$($(GO) list ./... | grep -v /node_modules/)
UNITS = $$($(GO) list ./... | grep -v -e /node_modules/ -e '^wsgate/cmd/wsgate/e2e$$')
SOURCES = find . \( -name node_modules -o -name .git -o -name bin \) -prune -o -name '*.go' -print0

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: bin/wsgate ## build the gateway and run its demo: a chat on http://127.0.0.1:8080/
	@exec bin/wsgate run

.PHONY: build
build: bin/wsgate bin/wsbench ## build bin/wsgate and bin/wsbench

# go build knows best what is out of date.
.PHONY: bin/wsgate
bin/wsgate:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/wsgate

.PHONY: bin/wsbench
bin/wsbench:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/wsbench

.PHONY: test
test: lint race counts e2e ## everything: lint, unit tests with fuzz corpora, counts, end-to-end tests

# Without them the tests that need them are skipped, and say so; counts fails.
.PHONY: peers
peers:
	@$(MAKE) --no-print-directory bench-deps || echo "tests go on without"

.PHONY: race
race: peers ## unit tests, with the race detector and in random order
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 5m $(UNITS)

.PHONY: e2e
e2e: ## end-to-end tests of the real binary; installs what they need
	$(GO) test -count=1 -shuffle=on -timeout 8m $(E2E)

COUNTS := bench/counts/counts.json

.PHONY: counts
counts: peers ## fail when system calls or allocations a message or an upgrade have grown
	$(GO) run ./cmd/wsbench counts --check $(COUNTS)

.PHONY: counts-record
counts-record: peers ## record these counts, when a growth is meant or something has shrunk
	$(GO) run ./cmd/wsbench counts --record $(COUNTS)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, import rules, go mod tidy; changes nothing
	@files=$$($(SOURCES) | xargs -0 gofmt -l); \
	if [[ -n $$files ]]; then echo "not formatted (gofmt -w):"; echo "$$files"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)
	$(GO) test ./cmd/wsgate/internal/imports
	$(GO) mod tidy -diff

.PHONY: fuzz-smoke
fuzz-smoke: ## every fuzz target for $FUZZTIME (5s)
	@count=0; \
	while read -r package name; do \
		echo "$$package $$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -parallel 2 "$$package"; \
		count=$$((count + 1)); \
	done < <($(SOURCES) | xargs -0 grep -HoE '^func Fuzz\w+' -- | \
		sed -E 's|^(.*)/[^/]+_test\.go:func (Fuzz\w+)$$|\1 \2|' | sort); \
	if (( count == 0 )); then echo "no fuzz target found"; exit 1; fi; \
	echo "$$count fuzz targets"

.PHONY: bench
bench: ## measure wsgate beside nginx and HAProxy; about ten minutes
	$(GO) run ./cmd/wsbench compare $(BENCH)

.PHONY: bench-full
bench-full: ## the same in every scenario; about twenty minutes
	$(GO) run ./cmd/wsbench compare --scenarios all $(BENCH)

.PHONY: bench-report
bench-report: ## page, charts and README of the latest results; measures nothing
	$(GO) run ./cmd/wsbench report

# What wsgate was at REV, and what it is: make bench-baseline REV=HEAD~1.
REV ?= HEAD

.PHONY: bench-baseline
bench-baseline: ## measure wsgate beside itself at the commit REV (HEAD: what is not committed)
	$(GO) run ./cmd/wsbench compare --baseline $(REV) $(BENCH)

.PHONY: bench-scale
bench-scale: build ## measure idle sessions by the hundred thousand, in a virtual machine
	bin/wsbench scale --wsgate bin/wsgate $(SCALE)

# The kernel for bench-scale is taken out of its package and not installed:
# installing it would run the hooks for boot loaders and initial RAM disks.
.PHONY: bench-deps
bench-deps: bin/kernel ## get what the benchmarks need: nginx, HAProxy, strace, QEMU, busybox, a kernel (Debian, as root)
	@bench/install.sh nginx:nginx-light haproxy strace qemu-system-x86_64:qemu-system-x86 :busybox-static

# An image that is already in /boot is as good, if every user may read it.
bin/kernel:
	@if [[ -n $$(find /boot -maxdepth 1 -name 'vmlinuz-*' -type f -perm -o=r) ]]; then exit 0; fi; \
	apt-get update -q; \
	package=$$(apt-cache depends linux-image-amd64 | awk '$$1 == "Depends:" { print $$2; exit }'); \
	scratch=$$(mktemp -d); \
	trap 'rm -rf "$$scratch"' EXIT; \
	chmod 755 "$$scratch"; \
	(cd "$$scratch" && apt-get -q -o APT::Sandbox::User=root download "$$package"); \
	dpkg-deb --fsys-tarfile "$$scratch"/*.deb | tar -x -C "$$scratch" --wildcards './boot/vmlinuz-*'; \
	mkdir -p $@; \
	mv "$$scratch"/boot/vmlinuz-* $@/; \
	ls $@

.PHONY: clean
clean: ## remove what was built and installed here
	rm -rf bin $(E2E)/node_modules
