# A thin front on Meson. `make run` and `make test` are all a fresh Debian 12 machine needs.
BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
DIR     ?= run/data
ARGS    ?=
ROUNDS  ?= 1000
HISTORIES ?= 1000
COMMANDS ?= 1000000
SETUP   := meson setup --reconfigure
SANITIZER_OPTIONS := -Dbuildtype=debugoptimized -Ddebug_checks=true

.PHONY: all deps run test test-normal test-asan test-tsan asan tsan install bench demo crash differential format lint coverage layers docs clean help

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

deps: ## installs what is missing, with apt
	@tools/deps build test dev bench

# Without the test libraries the programs are built all the same.
$(BUILD)/build.ninja:
	@tools/deps build
	@meson setup $(BUILD) -Dbuildtype=release -Dprefix=$(PREFIX) -Dtests=false >$(BUILD).log 2>&1 \
	    || { cat $(BUILD).log; exit 1; }
	@mv $(BUILD).log $(BUILD)/setup.log

run: all ## builds and starts kvs-server on DIR (run/data)
	@mkdir -p $(DIR)
	@exec $(BUILD)/bin/kvs-server --dir $(DIR) $(ARGS)

test: ## everything: normal, ASan+UBSan and TSan builds
	@tools/deps build test
	@tools/test-all normal asan tsan

test-normal test-asan test-tsan:
	@tools/deps build test
	@tools/test-all $(@:test-%=%)

asan: test-asan ## the tests under AddressSanitizer and UBSan

tsan: test-tsan ## the tests under ThreadSanitizer

install: all ## installs to DESTDIR and PREFIX
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD)

bench: all ## the benchmarks, next to their peers
	@tools/deps bench
	@bench/run $(BUILD)/bin

demo: all ## loads Debian's package index, kills the server, finds everything
	@tools/deps build test
	@KVS_BIN=$(BUILD)/bin python3 tests/demo/packages.py

crash: ## the long form of the kill -9 and power-cut tests (ROUNDS=1000)
	@tools/deps build test
	@KVS_CRASH_ROUNDS=$(ROUNDS) KVS_TEST_ROUNDS=$(ROUNDS) TIMEOUT_FACTOR=200 TEST_ARGS="crash server-durability-kvs" tools/test-all normal

differential: all ## the long comparison with redis-server, on both engines (COMMANDS=1000000)
	@tools/deps build test
	@for engine in memory kvs; do \
	    KVS_BIN=$(BUILD)/bin python3 tests/differential/differential.py --engine $$engine --commands $(COMMANDS) || exit 1; done

linearizability: ## histories of clients of a server that is killed and stopped (HISTORIES=1000, of 10,000 operations)
	@tools/deps build test
	@KVS_LINEAR_HISTORIES=$(HISTORIES) KVS_LINEAR_OPS=10000 TIMEOUT_FACTOR=200 TEST_ARGS="linear-server" tools/test-all normal

failure: ## every system call and every allocation fails, in every way
	@tools/deps build test
	@KVS_FAILURE_FULL=1 TIMEOUT_FACTOR=100 TEST_ARGS="failure-calls failure-alloc" tools/test-all normal

format: ## clang-format over the tree
	@tools/deps dev
	@git ls-files '*.c' '*.h' | xargs clang-format -i

lint: ## clang-tidy over src and app
	@tools/deps build test dev
	@tools/lint

coverage: ## line and branch coverage of src, in build-coverage/
	@tools/deps build test dev
	@tools/coverage

layers: ## who includes whom
	@tools/check-layers

docs: $(BUILD)/build.ninja ## writes docs/commands.md and docs/configuration.md from the code
	@tools/update-docs $(BUILD)

clean:
	@rm -rf $(BUILD) build-*
