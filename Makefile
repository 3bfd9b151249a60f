# Builds, runs, tests and installs the proxy. `make help` lists the targets.

SHELL = /bin/sh
PREFIX ?= /usr/local
SCRATCH ?= .build
CASES ?=
CLIS ?=
PROOFS = $(addprefix Tests/EndToEnd/test_,verbatim.py keep_apart.py storm.py injection.py cancel.py)
# How long each fuzz target runs, in seconds, and on how many cases each property is tried.
FUZZ_SECONDS ?= 60
FUZZ_CASES ?= 100000
# How often make bench measures each thing, for how many seconds, and whom; QUICK=1: what takes a minute, once; PIN=1: the
# targets have cores of their own.
REPS ?= $(if $(QUICK),1,5)
WINDOW ?= $(if $(QUICK),1,4)
TARGETS ?= none,nginx,ours$(if $(QUICK),,$(comma)each$(comma)tensorzero$(comma)smg$(comma)litellm)
comma = ,
# How long the mixed load of many clients goes on, in seconds.
SOAK_SECONDS ?= 600
export SCRATCH

PROGRAMS = http-frontd rate-limit model-map oai2anth anth2oai resp2anth anth2resp responses-store sse-encode claude-exec \
  claude-http claude-echo claude-pipe
FUZZ_TARGETS = front check lexer records model-map oai2anth oai2anth-auto resp2anth anth2oai anth2resp sse-encode \
  http-answer cli
PAGES = $(wildcard Sources/*/*.[1-8] scripts/*.[1-8])
# One shared library contains all filters and backends, and Swift's own libraries, so that memory holds them once. It also
# contains SQLite, the C++ library and libgcc, because each further library makes every start slower. claude-http loads libcurl
# when it starts. http-frontd is a static program, because no other program uses its libraries. The loader corrects a list of
# addresses at each start. Debian's linker packs that list to a hundredth of its size, if the C library can read the packed form.
# The objects do not depend on the folder: debug paths of C files are relative. The tests' build checks that no two accesses to a
# variable overlap. This build does not, because the check takes a twentieth of the time of each request.
LIBRARY = $(SCRATCH)/release/libclaude-proxy.so
FRONT = $(SCRATCH)/release/http-frontd
THIN = $(filter-out http-frontd,$(PROGRAMS))
ARCHIVES = $(SCRATCH)/archives
PACKED = $(shell grep -qs GLIBC_ABI_DT_RELR "$$($(CC) -print-file-name=libc.so.6)" && echo -Xlinker -z -Xlinker pack-relative-relocs)
SWIFT_BUILD = swift build -c release --scratch-path $(SCRATCH) -Xswiftc -static-stdlib \
  -Xswiftc -enforce-exclusivity=unchecked -Xswiftc -I$(abspath $(ARCHIVES)) $(OPTIMIZATION:%=-Xswiftc %) \
  -Xcc -ffile-prefix-map=$(abspath $(SCRATCH))=.build -Xcc -ffile-prefix-map=$(CURDIR)=.
# swiftc links, because Swift's package manager would write a list of folders into the library. At each start the loader would
# look in those folders for every other library.
LINK = swiftc -o $@ @$(SCRATCH)/release/$(patsubst lib%,%,$(basename $(notdir $@))).product/Objects.LinkFileList \
  $(ARCHIVES)/FoundationEssentials.o -ljansson -L$(ARCHIVES) -Xlinker -s -Xlinker --gc-sections
LINK_LIBRARY = $(LINK) -emit-library -static-stdlib -use-ld=bfd -Xclang-linker -static-libgcc $(PACKED) -Xlinker -Bsymbolic \
  -Xlinker --version-script=Sources/exports.map -Xlinker '-soname=$$ORIGIN/../lib/claude-proxy/$(@F)'
# Each other program is an executable file that calls its main function in that library. The library's name (soname) is its path
# from the folder of the program. A list of folders would make each start look into twenty folders that do not exist.
LINK_PROGRAM = $(CC) -O2 -s -o $@ -DPROGRAM_MAIN=$(subst -,_,$(notdir $@))_main Sources/main.c $(LIBRARY)

.DEFAULT_GOAL := all
.NOTPARALLEL:
.PHONY: all filters front run demo test check lint format golden bench bench-filters bench-cli bench-streams soak-upstream fuzz mutants completions install uninstall dist deb try-deb try-systemd image clean help test-agents test-cli soak prove compare test-examples test-schema docs

all: ## build the programs (release), the default
	@scripts/setup build
	@$(MAKE) --no-print-directory filters front

filters: $(ARCHIVES)/FoundationEssentials.o ## build the library and all programs but http-frontd
	@ln -sf "$$($(CC) -print-file-name=libstdc++.a)" "$$($(CC) -print-file-name=libsqlite3.a)" $(ARCHIVES)
	$(SWIFT_BUILD) --product claude-proxy
	@mkdir -p $(SCRATCH)/release/../lib && ln -sfn ../release $(SCRATCH)/release/../lib/claude-proxy
	@$(MAKE) --no-print-directory $(THIN:%=$(SCRATCH)/release/%)

front: $(ARCHIVES)/FoundationEssentials.o ## build http-frontd
	$(SWIFT_BUILD) --product http-frontd
	@$(MAKE) --no-print-directory $(FRONT)

$(ARCHIVES)/FoundationEssentials.o: Sources/FoundationEssentials/FoundationEssentials.swift
	@mkdir -p $(@D)
	swiftc -O -wmo -parse-as-library -module-name FoundationEssentials -emit-module-path $(@:.o=.swiftmodule) -c -o $@ $<

$(THIN:%=$(SCRATCH)/release/%): $(LIBRARY) Sources/main.c
	@$(LINK_PROGRAM)

$(LIBRARY): $(LIBRARY:.so=.a) $(ARCHIVES)/FoundationEssentials.o Sources/exports.map
	$(LINK_LIBRARY)

$(FRONT): $(SCRATCH)/release/libhttp-frontd.a $(ARCHIVES)/FoundationEssentials.o Sources/main.c
	@$(CC) -O2 -c -o $(ARCHIVES)/http-frontd.o -DPROGRAM_MAIN=http_frontd_main Sources/main.c
	$(LINK) $(ARCHIVES)/http-frontd.o -static-executable

$(LIBRARY:.so=.a) $(SCRATCH)/release/libhttp-frontd.a:

run: ## set up, build, and serve on http://127.0.0.1:8000
	@scripts/setup run
	@$(MAKE) --no-print-directory all
	@exec scripts/claude-proxy

demo: all ## serve canned answers, offline
	@BACKEND=claude-echo exec scripts/claude-proxy

test: ## set up, build, and run all tests
	@scripts/setup test
	@$(MAKE) --no-print-directory all
	@scripts/test

test-agents: all ## try the libraries that people build agents with, and the Codex CLI (a download of 380 MB)
	@scripts/fetch agents aider codex
	@PYTHONDONTWRITEBYTECODE=1 timeout 600 $(SCRATCH)/agents-venv/bin/pytest -q -p no:cacheprovider Tests/Agents

test-examples: all ## run every example of scripts/examples, llm and aider among them
	@scripts/setup test
	@scripts/fetch agents aider
	@scripts/test examples
	@PYTHONDONTWRITEBYTECODE=1 timeout 600 $(SCRATCH)/agents-venv/bin/pytest -q -p no:cacheprovider Tests/Agents/test_heavy_examples.py

test-cli: all ## table what each CLI can carry: CLIS, else CLAUDE_CLI_PATH, else the newest and an older one
	@scripts/setup run test
	@[ "$(CLIS)$$CLAUDE_CLI_PATH" ] || scripts/fetch cli-older
	@CLIS="$(CLIS)" scripts/test-cli

soak: all ## good and bad clients together for SOAK_SECONDS, with every answer checked and nothing left behind
	@scripts/setup test
	@$(SCRATCH)/venv/bin/python3 -B Tests/Soak/soak.py --seconds $(SOAK_SECONDS)

prove: all ## give the long proofs of claude-exec, which take an hour
	@scripts/setup test
	@LONG=1 PYTHONDONTWRITEBYTECODE=1 $(SCRATCH)/venv/bin/pytest -q -s -p no:cacheprovider -o faulthandler_timeout=0 $(PROOFS)

test-schema: all ## ask all that openapi.json describes, with all checks of schemathesis, for many minutes
	@scripts/fetch schema
	@LONG=1 PYTHONDONTWRITEBYTECODE=1 $(SCRATCH)/schema-venv/bin/pytest -q -s -p no:cacheprovider -o faulthandler_timeout=0 Tests/OpenAPI/test_schemathesis.py

compare: all ## table how oai2anth and LiteLLM differ
	@scripts/fetch litellm
	@scripts/compare

check: ## what must pass before a commit: lint and test
	@scripts/setup test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test

lint: all ## check the form of everything, and the arrows between the rooms
	@scripts/lint

format: ## bring the Swift into its form
	swift format --in-place --parallel -r Sources Tests Package.swift

golden: all ## run the golden cases, or CASES=PROGRAM[/CASE] of them
	@scripts/golden $(CASES)

bench: all ## measure the whole proxy, nginx and other gateways in turns: REPS, WINDOW, TARGETS, QUICK=1, PIN=1
	@scripts/fetch nginx $(if $(findstring litellm,$(TARGETS)),litellm-proxy) \
	  $(if $(findstring tensorzero,$(TARGETS))$(findstring smg,$(TARGETS)),gateways)
	@python3 -B Tests/Bench/proxies/bench.py --reps $(REPS) --seconds $(WINDOW) --targets $(TARGETS) $(if $(PIN),--pin) $(SCRATCH)/bench

bench-filters: all ## measure the filters alone, beside cat, jq and C with Jansson
	@python3 Tests/Bench/filters.py $(SCRATCH)/release

bench-cli: all ## measure how fast claude-exec and the real CLI bring a request to the API
	@scripts/setup test
	@$(SCRATCH)/venv/bin/python3 Tests/Bench/cli.py

bench-streams: all ## hold 2,000 streams, then 10,000 idle connections, and measure what they take
	@python3 Tests/Load/streams.py streams
	@python3 Tests/Load/streams.py idle

soak-upstream: all ## hold 500 streams of claude-http for SOAK_SECONDS against an upstream that fails in all ways
	@scripts/setup test
	@$(SCRATCH)/venv/bin/python3 Tests/Load/upstream_soak.py 500 $(SOAK_SECONDS)

fuzz: ## try the properties on FUZZ_CASES cases, and random bytes on every parser and filter
	@scripts/setup build
	FUZZ_CASES=$(FUZZ_CASES) swift test --disable-xctest --scratch-path $(SCRATCH)-test \
	  --filter TranslationTests --filter JanssonTests
	@set -e; for target in $(FUZZ_TARGETS); do echo "== $$target"; scripts/fuzz $$target $(FUZZ_SECONDS); done

mutants: ## break one rule of the filters after the other, and show what notices it
	@scripts/setup build
	@scripts/mutants

# The scripts that a user calls, with their helpers: they look for the programs beside themselves.
INSTALLED_SCRIPTS = $(addprefix scripts/,claude-proxy claude-proxy-ask claude-proxy-inetd generate-token)
# What the scripts source.
SOURCED = claude-proxy-settings.sh
SHELLS = bash zsh fish
# Of the programs they are generated, of these scripts they are in scripts/completions.
COMPLETED = $(PROGRAMS) claude-proxy claude-record
UNITS = claude-proxy.service claude-proxy.socket
# Where things go within DESTDIR. Under a PREFIX that is not the system's, the settings are there too.
BINDIR = $(PREFIX)/bin
# The programs look for their library in ../lib/claude-proxy, seen from BINDIR.
LIBDIR = $(PREFIX)/lib/claude-proxy
SHARE = $(PREFIX)/share
SYSCONFDIR = $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR = $(PREFIX)/lib/systemd/system
EXAMPLES = $(SHARE)/doc/claude-proxy/examples
BASH_COMPLETIONS = $(SHARE)/bash-completion/completions
ZSH_COMPLETIONS = $(SHARE)/zsh/site-functions
FISH_COMPLETIONS = $(SHARE)/fish/vendor_completions.d
INSTALLED_PAGES = $(foreach page,$(PAGES),$(SHARE)/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
# One page by more than one name.
PAGE_LINKS = $(patsubst %,$(SHARE)/man/man1/%.1,claude-proxy-inetd generate-token)
INSTALLED = $(PAGE_LINKS) $(PROGRAMS:%=$(BINDIR)/%) $(LIBDIR)/$(notdir $(LIBRARY)) $(INSTALLED_SCRIPTS:scripts/%=$(BINDIR)/%) $(BINDIR)/claude-record \
  $(SOURCED:%=$(SHARE)/claude-proxy/%) $(INSTALLED_PAGES) \
  $(COMPLETED:%=$(BASH_COMPLETIONS)/%) $(COMPLETED:%=$(ZSH_COMPLETIONS)/_%) $(COMPLETED:%=$(FISH_COMPLETIONS)/%.fish) \
  $(UNITS:%=$(UNITDIR)/%) $(EXAMPLES)/claude-proxy.env $(EXAMPLES)/notify-reload.conf
# What is ours alone; the rest belongs to the system, and stays.
INSTALLED_FOLDERS = $(LIBDIR) $(EXAMPLES) $(SHARE)/doc/claude-proxy $(SHARE)/claude-proxy $(SYSCONFDIR)/claude-proxy
# What the files say of /usr/local is so under any PREFIX.
PLACED = sed -e 's|/usr/local/bin|$(BINDIR)|g; s|/usr/local/share|$(SHARE)|g; s|/etc/claude-proxy|$(SYSCONFDIR)/claude-proxy|g'

completions: all ## make the completions of bash, zsh and fish, in .build
	@mkdir -p $(SHELLS:%=$(SCRATCH)/completions/%)
	@set -e; for shell in $(SHELLS); do for program in $(PROGRAMS); do \
	  $(SCRATCH)/release/$$program --generate-completion-script $$shell | sed '1{/^#!/d}' \
	    >$(SCRATCH)/completions/$$shell/$$program; \
	done; \
	for script in $(filter-out $(PROGRAMS),$(COMPLETED)); do \
	  cp scripts/completions/$$script.$$shell $(SCRATCH)/completions/$$shell/$$script; \
	done; done

install: all completions ## install under PREFIX (/usr/local), within DESTDIR if set
	@install -d $(sort $(dir $(INSTALLED:%=$(DESTDIR)%))) $(DESTDIR)$(SYSCONFDIR)/claude-proxy
	install $(PROGRAMS:%=$(SCRATCH)/release/%) $(INSTALLED_SCRIPTS) $(DESTDIR)$(BINDIR)
	install -m 644 $(LIBRARY) $(DESTDIR)$(LIBDIR)
	install scripts/record $(DESTDIR)$(BINDIR)/claude-record
	install -m 644 $(SOURCED:%=scripts/%) $(DESTDIR)$(SHARE)/claude-proxy
	@set -e; for page in $(PAGES); do install -m 644 $$page $(DESTDIR)$(SHARE)/man/man$${page##*.}; done
	@set -e; for link in $(PAGE_LINKS); do ln -sf claude-proxy.1 $(DESTDIR)$$link; done
	@set -e; for program in $(COMPLETED); do \
	  install -m 644 $(SCRATCH)/completions/bash/$$program $(DESTDIR)$(BASH_COMPLETIONS)/$$program; \
	  install -m 644 $(SCRATCH)/completions/zsh/$$program $(DESTDIR)$(ZSH_COMPLETIONS)/_$$program; \
	  install -m 644 $(SCRATCH)/completions/fish/$$program $(DESTDIR)$(FISH_COMPLETIONS)/$$program.fish; \
	done
	@set -e; for file in $(UNITS:%=$(UNITDIR)/%) $(EXAMPLES)/claude-proxy.env $(EXAMPLES)/notify-reload.conf; do \
	  $(PLACED) scripts/systemd/$${file##*/} >$(DESTDIR)$$file; chmod 644 $(DESTDIR)$$file; \
	done
	@# Settings that are there stay as they are.
	@[ -e $(DESTDIR)$(SYSCONFDIR)/claude-proxy/claude-proxy.env ] || \
	  install -m 640 $(DESTDIR)$(EXAMPLES)/claude-proxy.env $(DESTDIR)$(SYSCONFDIR)/claude-proxy/claude-proxy.env

uninstall: ## remove what install put there, but settings that were changed
	@cmp -s $(DESTDIR)$(EXAMPLES)/claude-proxy.env $(DESTDIR)$(SYSCONFDIR)/claude-proxy/claude-proxy.env && \
	  rm -f $(DESTDIR)$(SYSCONFDIR)/claude-proxy/claude-proxy.env || :
	rm -f $(INSTALLED:%=$(DESTDIR)%)
	@for folder in $(INSTALLED_FOLDERS); do rmdir $(DESTDIR)$$folder 2>/dev/null || :; done

dist: ## make the source's tarball of what is committed, the same bytes each time
	@scripts/dist $(SCRATCH)

deb: all completions ## make the Debian package, in .build
	@scripts/setup deb
	@scripts/deb $(SCRATCH)

try-deb: deb ## have lintian look at the package; install it in a clean Debian, run it, remove it (takes root, and the network)
	@scripts/setup try-deb
	@scripts/try-deb $(SCRATCH)

try-systemd: deb ## boot a clean Debian with systemd, and try the package's service and socket there (takes root, and the network)
	@scripts/setup try-deb
	@scripts/try-systemd $(SCRATCH)

image: ## build the image claude-proxy with docker, podman or buildah
	@scripts/docker/build

docs: ## build the documentation, a static site in .build/docs, and check its links
	@scripts/setup docs
	@scripts/docs

clean: ## remove all that was built or fetched
	rm -rf $(SCRATCH) $(SCRATCH)-test .build-fuzz .build-mutants

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "make %-14s %s\n", $$1, $$2}'
