# The front door; CMake and Ninja do the work. `make help` lists what there is.
PREFIX ?= /usr/local
DESTDIR ?=
SECONDS ?= 20
ONLY ?=
QUICK ?=
# WebAssembly: AUTO has it where cargo can build its engine, ON wants it, OFF leaves it out. What is not said stays as it was.
WASM ?=
export WASM
build = build $(if $(filter OFF,$(WASM)),,wasm)

.DEFAULT_GOAL := all
.PHONY: all setup demo test check bench fuzz format install clean help

all: ## Build a release tree in dist/; WASM=ON or OFF: with or without WebAssembly
	@scripts/setup --check $(build)
	@scripts/train --if-missing || echo "going on without a profile: the program will be about a tenth slower"
	@scripts/configure release
	@cmake --build build/release --target dist
	@echo "dist/bin/nexus: $$(stat -c %s dist/bin/nexus) bytes"

setup: ## Install what is missing (Debian: by apt-get)
	@scripts/setup $(build) test

demo: ## Build, run the first example, ask it over HTTP, stop it
	@scripts/setup $(build)
	@$(MAKE) --no-print-directory all
	@scripts/demo

test: ## Run every test: gcc, clang, sanitizers, valgrind, other processors, a little fuzzing
	@scripts/setup $(build) test
	@$(MAKE) --no-print-directory all
	@scripts/test

check: ## Check format, clang-tidy, layers, banned calls, symbols, headers, docs
	@scripts/setup $(build) test
	@$(MAKE) --no-print-directory all
	@scripts/check

bench: ## Measure against Node, Bun, Deno, nginx and a bare responder; ONLY=name for one row, QUICK=1 for a look
	@scripts/setup $(build) test bench
	@$(MAKE) --no-print-directory all
	@cmake --build build/release
	@bench/run $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

fuzz: ## Fuzz each target for SECONDS (20); ONLY=name for one target
	@scripts/setup $(build) test
	@scripts/fuzz $(SECONDS) $(ONLY)

format: ## Format every C file
	@scripts/sources | xargs clang-format -i

install: all ## Install below PREFIX (/usr/local), staged in DESTDIR
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)" --strip

clean: ## Remove build/ and dist/
	rm -rf build dist

help: ## List the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 18
