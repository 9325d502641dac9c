# SPDX-License-Identifier: GPL-2.0-or-later

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X iotupd/cmd/iotupd/internal/cli.version=$(VERSION)
FUZZTIME ?= 200000x
PREFIX ?= /usr/local
CROSS := linux/arm linux/arm64 linux/mips linux/mipsle linux/riscv64
OTHER := darwin/arm64 windows/amd64

export CGO_ENABLED ?= 0
# As small devices have it, and as internal/e2e builds.
export GOMIPS ?= softfloat

# For other systems of services than systemd.
SCRIPTS := $(wildcard cmd/iotupd/procd/* cmd/iotupd/openrc/*)

# Whose vectors are frozen, for every CPU; and those that calculate figures.
FIGURES := ./bench ./bench/model ./bench/report ./bench/stats ./bench/simnet
FROZEN := ./proto ./proto/archive ./fec ./sender ./proto/seal $(FIGURES)

# What decides and never waits.
CORES := ./proto/... ./fec/... ./sender/... ./receiver/...

# Long tests that run on one goroutine, or other processes: the race detector makes them ten times
# longer, and finds nothing there.
ALONE := RateHoldsOverAnyTenSeconds|AnyPrefixOfLayersFinishes|CoordinatedSendersOfLayers|SmallObjectsTravelOnAllLayers|EveryOutlineProvesItself|SendersShareTheWork|QueueWritesWhatWasPut|LostItsRecordsIsTakenUp|FewPacketsAreUseless|ALateReceiverWithAnOlderFile|WhatAnOlderFileHas|LatestPacketsWait|KillsBefore|PowerCutsBefore|EveryLineOfRealCommands|MessagesMatch|MessagesArePlain|TenThousandFiles|ManyForgedManifests|ManyObjectsTake|ForgedManifestsAreBounded|ThousandsOfFiles|AllFilesAreReceivedWithLittleMemory|WarningsOfManyFiles|TheRollbackMatrix|FilesOfASetOverALimit

# What leaves whole commands out: bench; send, sign and keygen; completion, and the
# library for it.
SMALL := nobench
DEVICE := nobench,nosend,nocompletion

.PHONY: build small device man install units docs demo quick test race lint fuzz bench cross qemu e2e clean

build: ## the static binary, ./iotupd
	go build -trimpath -ldflags '$(LDFLAGS)' -o iotupd ./cmd/iotupd

small: ## the same without bench, for small devices
	go build -trimpath -tags $(SMALL) -ldflags '$(LDFLAGS)' -o iotupd ./cmd/iotupd

device: ## recv, install and inspect alone
	go build -trimpath -tags $(DEVICE) -ldflags '$(LDFLAGS)' -o iotupd ./cmd/iotupd

man: build ## out/man/*.1, made from the help
	@mkdir -p out/man
	./iotupd man out/man

# What build, small or device made is installed, so that root needs no Go.
iotupd:
	$(MAKE) build

install: iotupd units ## program, man pages, completions, systemd units, below $(DESTDIR)$(PREFIX)
	@set -e; umask 022; to='$(DESTDIR)$(PREFIX)'; \
	mkdir -p "$$to/bin" "$$to/share/man/man1" "$$to/share/bash-completion/completions" \
		"$$to/share/zsh/site-functions" "$$to/share/fish/vendor_completions.d"; \
	install -m 755 iotupd "$$to/bin/"; \
	./iotupd man "$$to/share/man/man1"; \
	if ./iotupd completion bash > /dev/null 2>&1; then \
		./iotupd completion bash > "$$to/share/bash-completion/completions/iotupd"; \
		./iotupd completion zsh > "$$to/share/zsh/site-functions/_iotupd"; \
		./iotupd completion fish > "$$to/share/fish/vendor_completions.d/iotupd.fish"; \
	fi

units: ## systemd units, below $(DESTDIR)$(PREFIX)
	@set -e; umask 022; to='$(DESTDIR)$(PREFIX)/lib/systemd/system'; mkdir -p "$$to"; \
	for unit in cmd/iotupd/systemd/iotupd-*; do \
		sed 's|/usr/bin/|$(PREFIX)/bin/|' "$$unit" > "$$to/$${unit##*/}"; \
	done

docs: ## what docs has of the program: causes, JSON schemas
	go test ./internal/reason -run Page -update
	go test ./cmd/iotupd -run "SchemaFiles|MessagesMatch" -update

demo: ## a real transfer on this host
	go run ./internal/demo

quick: ## while working: format, vet, and the tests of the cores, in seconds
	test -z "$$(gofmt -l .)"
	go vet ./...
	go test -short $(CORES)

test: ## and what the program for devices says of itself
	go test -timeout 30m ./...
	go test -tags $(DEVICE) -run 'Help|Page|Flag|Default' ./cmd/iotupd

# Without the second that every process under the detector sleeps at its end, and
# without what runs on one goroutine alone. Of the commands, those tests run that do most at
# a time: the others take as long, and reach the same goroutines.
race:
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=10 go test -race -short -skip '$(ALONE)' -timeout 30m $$(go list ./... | grep -vE '/bench$$|/bench/(model|orders|report|simnet|stats)$$|/internal/(arch|embed|golden)$$|/cmd/iotupd$$')
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=10 go test -race -short -timeout 30m -run 'Signal|Follow|Kill|Reader|Several|AllFiles|Install' ./cmd/iotupd
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=10 go test -race -short -timeout 30m -run 'Scripts/^(transfer|resume|directory|send_set|exec|sealed)$$' ./cmd/iotupd
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=10 go test -race -short -timeout 30m -run 'Workers|Cores|Cancel' ./bench

lint:
	test -z "$$(gofmt -l .)"
	go vet ./...
	go vet -tags $(DEVICE) ./cmd/iotupd
	go mod verify
	if command -v shellcheck > /dev/null; then shellcheck $(SCRIPTS); fi

# Every fuzz target of every package, one after the other; the tests of a package
# are built once for all of its targets. FUZZTIME counts inputs: a duration can end
# a sound run as "context deadline exceeded" (golang/go#75804), before Go 1.27.
fuzz:
	@set -e; mkdir -p out; cache=$$(go env GOCACHE)/fuzz/iotupd; \
	for directory in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		go test -c -fuzz . -o out/fuzz.test $$directory; \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$directory/*_test.go); do \
			echo "$$directory $$target"; \
			(program=$$PWD/out/fuzz.test; cd $$directory; $$program -test.run '^$$' -test.fuzz "^$$target\$$" \
				-test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 50x -test.fuzzcachedir $$cache/$$directory); \
		done; \
	done

bench:
	go test -run '^$$' -bench . ./...

# Other machines build; other systems are vetted as well, with their tests. Nothing is
# run there. All that is built for one machine has the same flags, so that nothing is
# compiled twice.
cross:
	@mkdir -p out
	@set -e; for target in $(CROSS) $(OTHER); do \
		export GOOS=$${target%/*} GOARCH=$${target#*/}; \
		go build -trimpath -ldflags '$(LDFLAGS)' -o out/iotupd-$$GOOS-$$GOARCH ./cmd/iotupd; \
		printf '%-16s %s bytes\n' $$target $$(wc -c < out/iotupd-$$GOOS-$$GOARCH); \
	done
	@set -e; for target in $(OTHER); do \
		echo "vet for $$target"; \
		GOOS=$${target%/*} GOARCH=$${target#*/} go vet -trimpath ./...; \
	done

# The golden vectors on a 32-bit machine, on a big-endian one, and the figures
# on one that fuses multiplication with addition, emulated. Our own code is
# compared with the library's on all that have a form of it.
qemu:
	GOARCH=arm go test -trimpath -exec qemu-arm-static -run 'Golden|Vector' $(FROZEN)
	GOARCH=mips go test -trimpath -exec qemu-mips-static -run 'Golden|Vector' $(FROZEN)
	GOARCH=arm64 go test -trimpath -exec qemu-aarch64-static -run 'Golden|Vector' $(FIGURES)
	for m in arm:arm arm64:aarch64 mips:mips mipsle:mipsel; do \
		GOARCH=$${m%:*} go test -trimpath -short -exec qemu-$${m#*:}-static -run 'Transforms|Ways|Columns|Several' ./fec/leopard || exit 1; \
	done

# Needs root: network namespaces with packet loss. IOTUPD_E2E_FULL=1 for full sizes.
e2e:
	IOTUPD_REQUIRE_NETNS=1 go test -v -count=1 -timeout 30m ./internal/e2e

clean:
	rm -rf iotupd out
