# Everything a developer and CI run. `make help` lists it.

BOARD   ?= qemu
NET     ?= user
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X postroom/tools/command.Version=$(VERSION)
# A version that systemd-boot can order.
IMAGE_VERSION ?= 0.1.0
TOOLS   := $(CURDIR)/build/bin
# Packages of Debian 12: to build, to boot, to test with.
PACKAGES := gcc libc6-dev protobuf-compiler libprotobuf-dev binutils zstd kmod e2fsprogs mtools dosfstools gdisk \
  qemu-system-x86 ovmf dovecot-core dovecot-pop3d fetchmail mpop getmail6 curl python3 ca-certificates \
  swaks libio-socket-ssl-perl msmtp neomutt postfix
GO_TEST := go test -timeout 20m

.PHONY: help deps needs build run demo check test bench fuzz soak generate image flash

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

deps: ## install Debian's packages (the only step that needs root)
	@tools/deps install $(PACKAGES)

needs:
	@tools/deps check $(PACKAGES) || $(MAKE) --no-print-directory deps

build: ## build the program for this machine: build/postroom
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o build/postroom ./tools/postroom

image: needs build ## make a board's disk image: build/BOARD.img (BOARD=qemu or pc)
	go run ./tools/key build/client-keys.pem
	go run ./tools/image -board $(BOARD) -out build/$(BOARD).img -version $(IMAGE_VERSION) -client-keys build/client-keys.pem

run: image ## boot the image in QEMU and say how to connect (NET=restricted: without a network)
	go run ./tools/run -image build/$(BOARD).img -net $(NET) -hardware "$(if $(filter pc,$(BOARD)),pc)"

flash: image ## put the image on a disk: BOARD=pc DISK=/dev/… (WIPE=<its serial number> for one that is not empty)
	@test -n "$(DISK)" || { echo "which disk? make flash BOARD=pc DISK=/dev/…"; exit 1; }
	go build -o build/flash ./tools/flash
	$(if $(filter-out 0,$(shell id -u)),sudo) build/flash -image build/$(BOARD).img -disk $(DISK) $(if $(WIPE),-wipe $(WIPE))

demo: image ## show a mail's seven steps, with the appliance in QEMU and a real provider
	build/postroom demo --image build/qemu.img

bench: needs build ## measure against peers; BENCHMARKS.md explains
	go run ./tools/bench

FUZZ_TIME ?= 30s
fuzz: needs ## run every fuzz target for FUZZ_TIME
	@for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' services init tools); do \
	  for name in $$(grep -oE '^func Fuzz[A-Za-z0-9_]*' $$f | cut -c6-); do \
	    echo "$$(dirname $$f) $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) ./$$(dirname $$f) || exit 1; done; done

MINUTES ?= 30
soak: needs ## kill services, put faults into everything, cut the power under the store's files and the guest's, for MINUTES in all
	$(GO_TEST) -timeout $$(($(MINUTES) + 10))m -count 1 ./tests/kill -kills $$(($(MINUTES) * 5))
	$(GO_TEST) -timeout $$(($(MINUTES) + 10))m -count 1 -v -race -tags root $(AS_ROOT) ./tests/faults -last 1m -until $$(($(MINUTES) * 15))s
	$(GO_TEST) -timeout $$(($(MINUTES) + 10))m -count 1 -tags root $(AS_ROOT) ./tests/powercut -minutes $$(($(MINUTES) / 4)) -cuts 5000 -rounds $(MINUTES)
	$(GO_TEST) -timeout $$(($(MINUTES) + 20))m -count 1 -v -tags guest ./tests/guest -run TestPowerCuts -cuts $$(($(MINUTES) * 3 / 4 + 1))

generate: needs ## make generated files anew
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install google.golang.org/protobuf/cmd/protoc-gen-go github.com/containerd/ttrpc/cmd/protoc-gen-go-ttrpc
	PATH=$(TOOLS):$$PATH go generate ./services/...

check: needs ## formatting, vet, staticcheck, import rules, generated files fresh
	@unformatted=$$(gofmt -l board image init services tools tests); test -z "$$unformatted" || { echo "gofmt these: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	$(GO_TEST) -run TestImports ./tests/rules
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code --stat -- '*.pb.go' docs/settings.md || { echo "generated files were stale: commit what make generate wrote"; exit 1; }

# Tests that need root, for mounts, users and disks of their own: as root directly, else by sudo.
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),-exec "sudo -E")

ROOT_TESTS = $(shell grep -rlE '^//go:build root' --include='*_test.go' init services tests tools | xargs -n1 dirname | sort -u)

# Packages with tests for root run once, with all their tests; the cuts of the power without the race detector, under which each
# costs four times as much.
test: needs build ## every test
	$(GO_TEST) -race $$(go list ./... | grep -vxF $(ROOT_TESTS:%=-e postroom/%))
	$(GO_TEST) -race -tags root $(AS_ROOT) $(filter-out ./tests/powercut,$(ROOT_TESTS:%=./%))
	$(GO_TEST) -tags root $(AS_ROOT) ./tests/powercut
	$(GO_TEST) -tags guest ./tests/guest ./image ./tools/guest
