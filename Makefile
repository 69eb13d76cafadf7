# camb: build, test and install.  `make help` lists the targets.  All of them
# write into build/ only, but for install and uninstall.

LUA     ?= lua5.4
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
CFLAGS  ?= -O2 -g
ifeq ($(origin CC),default)
CC = gcc
endif

# The one list of Debian packages: what the build and `make demo` need, then
# what `make test` adds, then what the linters and the sanitizer runs add.
PACKAGES = gcc libc6-dev pkg-config lua5.4 liblua5.4-dev lua-cjson \
  lua-argparse libcurl4-openssl-dev ca-certificates libmicrohttpd-dev \
  libjansson-dev libgnutls28-dev zlib1g-dev libavformat-dev libavcodec-dev \
  libavutil-dev libswresample-dev
TEST_PACKAGES = lua-busted lua-cqueues lua-luv luarocks curl ffmpeg procps \
  lua-dbi-sqlite3 lua-dbi-postgresql sqlite3 postgresql-15 \
  strace tinyproxy-bin microsocks lua-luaossl
CHECK_PACKAGES = lua-check lua5.1 liblua5.1-0-dev luajit libluajit-5.1-dev \
  clang libclang-rt-dev clang-format valgrind

WARNINGS = -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes \
  -Wstrict-prototypes
ALL_CFLAGS = $(WARNINGS) -fPIC -fvisibility=hidden -D_GNU_SOURCE -Icsrc \
  $(CFLAGS) $(EXTRA_CFLAGS)
ifeq ($(shell uname -s),Darwin)
SHARED = -bundle -undefined dynamic_lookup
else
SHARED = -shared
endif

# Looked up when a recipe runs, not when make starts: on a fresh machine
# `make deps` has to come first.
LUA_VERSION = $(shell $(LUA) -e 'print((_VERSION:match "%d%.%d"))')
LUA_PC      = $(shell for p in $(notdir $(LUA)) lua$(LUA_VERSION) \
  lua-$(LUA_VERSION) lua; do pkg-config --exists $$p && echo $$p && break; done)
LUA_CFLAGS  = $(shell pkg-config --cflags $(LUA_PC))
HTTPD       = libmicrohttpd jansson gnutls zlib
AV          = libavformat libavcodec libswresample libavutil
CORE_CFLAGS    = $(shell pkg-config --cflags libcurl)
CORE_LIBS      = $(shell pkg-config --libs libcurl)
SANDBOX_CFLAGS = $(shell pkg-config --cflags $(HTTPD) $(AV))
SANDBOX_LIBS   = $(shell pkg-config --libs $(HTTPD) $(AV))

# Two products: the client, which the Makefile calls core, and the sandbox.
CORE_C      = $(wildcard csrc/core/*.c csrc/binding/*.c)
ENGINE_C    = $(wildcard csrc/engine/*.c)
SANDBOX_C   = $(wildcard csrc/sandbox/*.c csrc/sandbox/*/*.c) $(ENGINE_C) \
  csrc/binding/fields.c
LUA_FILES   = $(shell find lua -name '*.lua')
SANDBOX_LUA = $(filter lua/camb/sandbox.lua lua/camb/sandbox/%,$(LUA_FILES))
CORE_LUA    = $(filter-out $(SANDBOX_LUA),$(LUA_FILES))

OBJ        = $(BUILD)/obj/$(notdir $(LUA))
MODULES    = $(BUILD)/lib/$(notdir $(LUA))
CORE_SO    = $(MODULES)/camb/core.so
SANDBOX_SO = $(MODULES)/camb/sandbox/core.so
SUPPORT_SO = $(MODULES)/spec/support/system.so
COMMAND    = $(BUILD)/bin/camb
CORE_O     = $(CORE_C:csrc/%.c=$(OBJ)/%.o)
ENGINE_O   = $(ENGINE_C:csrc/%.c=$(OBJ)/%.o)
SANDBOX_O  = $(SANDBOX_C:csrc/%.c=$(OBJ)/%.o)

# What was installed only now is not known to a make that runs already, so the
# targets that install begin a second one; it uses every processor.
CORES = $(shell getconf _NPROCESSORS_ONLN)
AGAIN = $(MAKE) --no-print-directory -j$(CORES)

# `make V=1` shows the commands.
ifndef V
quiet = @echo '  $(1) $@';
endif

.PHONY: all core sandbox
all: core sandbox $(COMMAND) ## Build into build/ (the default).
core: $(CORE_SO)
sandbox: $(SANDBOX_SO)

$(CORE_O): LIB_CFLAGS = $(CORE_CFLAGS)
$(SANDBOX_O): LIB_CFLAGS = $(SANDBOX_CFLAGS)

$(OBJ)/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) $(LUA_CFLAGS) $(LIB_CFLAGS) \
	  -MMD -MP -c -o $@ $<

-include $(CORE_O:.o=.d) $(SANDBOX_O:.o=.d)

$(CORE_SO): $(CORE_O)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(SHARED) $(EXTRA_CFLAGS) $(LDFLAGS) -o $@ $^ \
	  $(CORE_LIBS)

$(SANDBOX_SO): $(SANDBOX_O)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(SHARED) $(EXTRA_CFLAGS) $(LDFLAGS) -o $@ $^ \
	  $(SANDBOX_LIBS) -lpthread -lm

# $(call command,LUA_DIR,MODULE_DIR): the command, finding its modules there.
define command
{ echo '#!/usr/bin/env $(LUA)'; \
  echo 'package.path = "$(1)/?.lua;$(1)/?/init.lua;" .. package.path'; \
  echo 'package.cpath = "$(2)/?.so;" .. package.cpath'; \
  cat lua/camb/cli/command.lua; }
endef

# Made again each time, as LUA may have changed.
.PHONY: $(COMMAND)
$(COMMAND):
	@mkdir -p $(@D)
	@$(call command,$(CURDIR)/lua,$(abspath $(MODULES))) > $@.new
	@chmod +x $@.new && mv -f $@.new $@

# What lets the checkout be used without installing.
ENV_LUA  = LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$${LUA_PATH:-;}"
ENV_C    = LUA_CPATH="$(abspath $(MODULES))/?.so;$${LUA_CPATH:-;}"
ENV_PATH = PATH="$(abspath $(BUILD))/bin:$$PATH"

.PHONY: env
env: ## Print the shell lines for that: eval "$(make -s env)".
	@printf 'export %s\n' '$(ENV_LUA)' '$(ENV_C)' '$(ENV_PATH)'

# $(call install-packages,LIST): those of LIST that are missing, by apt.
define install-packages
	@missing=; for p in $(1); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' \
	    || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  command -v apt-get >/dev/null || { \
	    echo "needed, and no apt-get to install it:$$missing" >&2; exit 1; }; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  echo "installing$$missing"; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    --no-install-recommends $$missing >/dev/null; fi
endef

.PHONY: deps test-deps check-deps
deps: ## Install what the build needs, where it is missing (Debian, Ubuntu).
	$(call install-packages,$(PACKAGES))
test-deps:
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES))
check-deps:
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES) $(CHECK_PACKAGES))

.PHONY: demo
demo: deps ## Separate examples/mix.flac by the sandbox.
	@$(AGAIN) all
	@rm -rf $(BUILD)/demo
	$(COMMAND) separate examples/mix.flac --sandbox -o $(BUILD)/demo

# The suite, in this build.  Specs find LUA and BUILD in their environment.
SPECS ?= spec
BUSTED = env --default-signal $(ENV_LUA) $(ENV_C) $(ENV_PATH) LUA=$(LUA) BUILD=$(BUILD) \
  $(LUA) spec/support/busted.lua --helper=spec/support/slowest.lua \
  --pattern=_spec --output=plainTerminal

# How many seconds a file of specs may take: one that hangs is killed with what
# it started, and named with the spec that ran.
FILE_LIMIT ?= 900
# $(call limited,NAME,WORDS): busted within that limit, also ended by Ctrl-C.
define limited
trap 'kill $$pid; exit 1' HUP INT TERM; \
  timeout -k 10 $(FILE_LIMIT) env RUNNING=$(BUILD)/$(1).running $(BUSTED) $(2) & \
  pid=$$!; wait $$pid; status=$$?; \
  case $$status in 124 | 137) echo "$(1) was killed after $(FILE_LIMIT) s," \
    "in: $$(cat $(BUILD)/$(1).running)";; esac; [ $$status = 0 ]
endef

# Which lines of Lua run is written down by specs under ASan, where the lines of
# C are counted as well.
COVERED     = $(abspath $(BUILD))/coverage
COVERAGE_SO = $(abspath $(BUILD))/coverage.so
COVERING    = COVERAGE=$(COVERED) \
  LUA_INIT_5_4="package.loadlib('$(COVERAGE_SO)', 'luaopen_coverage')()"

$(COVERAGE_SO): spec/support/coverage.c
	@mkdir -p $(@D)
	$(call quiet,LD)gcc $(WARNINGS) -D_GNU_SOURCE $(LUA_CFLAGS) -fPIC -shared \
	  -o $@ $<

# Each file in a process of its own, as many at a time as there are processors;
# then what holds an upper bound of time, alone.
FILES = $(wildcard spec/*_spec.lua)
EACH  = $(FILES:spec/%_spec.lua=each-%)
TIMED = $(shell grep -l '\#timed' $(FILES))
LOG   = $(BUILD)/test.log

.PHONY: test run-test run-all run-timed $(EACH)
test: test-deps ## Run the specs; SPECS=spec/x_spec.lua for some of them.
	@$(AGAIN) all bench-programs $(SUPPORT_SO)
	@$(MAKE) --no-print-directory $(if $(filter spec,$(SPECS)),run-all,run-test)
run-test: $(SUPPORT_SO)
	@$(call limited,run-test,$(SPECS))
run-all:
	@{ $(AGAIN) -k --output-sync=target $(EACH); \
	   $(MAKE) --no-print-directory run-timed; } 2>&1 | tee $(LOG)
	@$(LUA) spec/support/total.lua $(LOG) $(words $(EACH) run-timed)
EXCEPT = timed
# LeakSanitizer itself breaks now and then, where a thread ends while it looks at
# a process that does: then the file runs once more.
BROKEN = LeakSanitizer has encountered a fatal error
$(EACH): each-%: $(SUPPORT_SO)
	@echo "spec/$*_spec.lua"
	@log=$(BUILD)/each-$*.log; \
	run() { { $(call limited,$*_spec.lua,$(EXCEPT:%=--exclude-tags=%) \
	  spec/$*_spec.lua); } > $$log 2>&1; }; \
	run || { grep -q '$(BROKEN)' $$log && run; }; \
	status=$$?; cat $$log; exit $$status
run-timed:
	@$(call limited,$@,--tags=timed $(TIMED))

# What specs need of the system: forks, and peers that only the kernel plays.
$(SUPPORT_SO): spec/support/system.c
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LUA_CFLAGS) $(SHARED) \
	  $(EXTRA_CFLAGS) -o $@ $<

# $(call step,COMMANDS): how long they took, and a verdict in one line, which
# .ci/run counts.
define step
	@start=$$(date +%s); if { $(1); }; then verdict=passed; \
	else verdict=failed; fi; \
	echo "$@ took $$(($$(date +%s) - start)) s"; echo "$@: $$verdict"; \
	[ $$verdict = passed ]
endef

LINTS = lint-luacheck lint-format lint-docs lint-gcc lint-clang lint-poll \
  lint-lua5.1 lint-luajit
.PHONY: lint $(LINTS)
lint: check-deps ## Check Lua, formatting, docs; gcc, clang, LuaJIT, Lua 5.1.
	@$(MAKE) --no-print-directory -k $(LINTS)

lint-luacheck:
	$(call step,luacheck -q lua examples spec)

C_FILES = $(wildcard csrc/*/*.[ch] csrc/*/*/*.[ch] spec/*/*.[ch])
lint-format:
	$(call step,clang-format --dry-run -Werror $(C_FILES))

lint-docs:
	$(call step,$(MAKE) --no-print-directory docs)

# $(call strict,CC,LUA,GOALS,FLAGS): a build in which warnings are errors.
strict = $(AGAIN) $(3) BUILD=$(BUILD)/lint/$(1)-$(2) CC=$(1) LUA=$(2) \
  EXTRA_CFLAGS="-Werror $(4)"
lint-gcc:
	$(call step,$(call strict,gcc,$(LUA),all bench-programs))
lint-clang:
	$(call step,$(call strict,clang,$(LUA),all bench-programs))
# The poller of last resort, which Linux never chooses by itself.
lint-poll:
	$(call step,$(CC) $(ALL_CFLAGS) -Werror -DCAMB_POLLER_POLL -fsyntax-only \
	  $(wildcard csrc/core/*.c))
# Every module must load there, too.
lint-lua5.1 lint-luajit: lint-%:
	$(call step,$(call strict,gcc,$*,all,-O1) && \
	  eval "$$($(MAKE) -s env BUILD=$(BUILD)/lint/gcc-$* LUA=$*)" && \
	  $* spec/support/load.lua $(LUA_FILES))

# The sanitizers: an interpreter first in PATH that begins under one of them,
# so that Lua processes which specs start are checked as well.
ASAN     = $(BUILD)/sanitize
VALGRIND = $(BUILD)/valgrind
PRELOAD  = $(abspath $(BUILD)/preload.so)
TSAN     = $(BUILD)/tsan
ASAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN_RUN = env LD_PRELOAD=$$(gcc -print-file-name=libasan.so):$(PRELOAD)
TSAN_RUN = env LD_PRELOAD=$$(gcc -print-file-name=libtsan.so):$(PRELOAD)
VALGRIND_RUN = env LD_PRELOAD=$(PRELOAD) valgrind --quiet --error-exitcode=99 \
  --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
  --child-silent-after-fork=yes

# $(call interpreter,FOLDER,COMMAND): make $(LUA) start by COMMAND there.
define interpreter
	@mkdir -p $(1)/bin
	@{ echo '#!/bin/sh'; \
	   echo "exec $(2) $$(command -v $(LUA)) \"\$$@\""; } > $(1)/bin/$(notdir $(LUA))
	@chmod +x $(1)/bin/$(notdir $(LUA))
endef

# Specs find in SANITIZER which one it is, where they measure what it changes,
# such as the memory of the process.  Some run in `make test` alone: #build,
# #slow, #kill, and #timed, which holds an upper bound of time.  Valgrind leaves
# out those that separate whole recordings, compute on samples or ask databases
# in Lua, too: minutes each, in C that the others run as well.  TSan runs what has threads.
SANITIZERS = sanitize-asan sanitize-valgrind sanitize-tsan
SLOW_LIMIT ?= 2700
VALGRIND_SPECS ?= $(filter-out $(patsubst %,spec/%_spec.lua,engine engine_% \
  formats batch_store store cli control readme),$(wildcard spec/*_spec.lua))
TSAN_SPECS ?= $(wildcard spec/sandbox*_spec.lua) spec/faults_spec.lua
.PHONY: sanitize $(SANITIZERS)
sanitize: check-deps ## Run the specs under ASan and UBSan, TSan, valgrind.
	@$(MAKE) --no-print-directory -k $(SANITIZERS)

$(PRELOAD): spec/support/preload.c
	@mkdir -p $(@D)
	$(call quiet,LD)gcc $(WARNINGS) -D_GNU_SOURCE -fPIC -shared -o $@ $<

# $(call sanitized,FOLDER,CFLAGS,FLAGS): build everything there.
sanitized = $(AGAIN) all bench-programs BUILD=$(1) CC=gcc CFLAGS="$(2)" \
  EXTRA_CFLAGS="$(3)"
# $(call checked,FOLDER,FILES): run specs in that build.
checked = $(AGAIN) -k --output-sync=target BUILD=$(1) LUA=$(notdir $(LUA)) \
  FILE_LIMIT=$(SLOW_LIMIT) \
  EXCEPT="build timed slow kill" $(patsubst spec/%_spec.lua,each-%,$(2))

sanitize-asan: $(PRELOAD) $(COVERAGE_SO)
	$(call interpreter,$(ASAN),$(ASAN_RUN))
	$(call step,$(call sanitized,$(ASAN),-O1 -g -fno-omit-frame-pointer,\
	  $(ASAN_FLAGS) --coverage) && find $(ASAN) -name '*.gcda' -delete && \
	  SANITIZER=asan ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 \
	  UBSAN_OPTIONS=print_stacktrace=1 $(COVERING) \
	  $(call checked,$(ASAN),$(if $(filter spec,$(SPECS)),$(FILES),$(SPECS))))

sanitize-tsan: $(PRELOAD)
	$(call interpreter,$(TSAN),$(TSAN_RUN))
	$(call step,$(call sanitized,$(TSAN),-O1 -g,-fsanitize=thread) && \
	  SANITIZER=tsan TSAN_OPTIONS=halt_on_error=1:io_sync=0 \
	  $(call checked,$(TSAN),$(TSAN_SPECS)))

sanitize-valgrind: $(PRELOAD)
	$(call interpreter,$(VALGRIND),$(VALGRIND_RUN))
	$(call step,$(call sanitized,$(VALGRIND),-O2 -g) && SANITIZER=valgrind \
	  $(call checked,$(VALGRIND),$(VALGRIND_SPECS)))

COVERAGES = coverage-csrc coverage-lua
.PHONY: coverage $(COVERAGES)
coverage: check-deps ## Run the specs under ASan and print what they cover.
	@rm -rf $(COVERED)
	+@$(AGAIN) -k $(COVERAGES)
coverage-csrc coverage-lua: sanitize-asan
coverage-csrc:
	$(call step,$(LUA) spec/support/coverage.lua c $(ASAN)/obj)
coverage-lua:
	$(call step,$(LUA) spec/support/coverage.lua lua $(COVERED) $(LUA_FILES))

-include spec/fuzz/fuzz.mk
.PHONY: fuzz
fuzz: check-deps ## Fuzz each of FUZZES for FUZZ_SECONDS (60).
	+@$(AGAIN) -k $(FUZZES:%=fuzz-%)

# The longest first, more of them at a time than there are processors: some wait
# more than they compute.  What is tagged #timed runs in `make test` alone, so these
# may run side by side; each has a folder of its own to build in.
CHECKS = $(SANITIZERS) $(LINTS) $(TORTURES) $(FUZZES:%=fuzz-%) $(COVERAGES)
.PHONY: check
check: check-deps ## All of lint, sanitize, coverage and fuzz, side by side.
	@$(MAKE) --no-print-directory -k -j$$(($(CORES) + 3)) --output-sync=target \
	  $(CHECKS)

# Memory is refused: to a Lua state, to C and libcurl, to the sandbox; and the
# collector never rests.  TORTURE=all refuses every request once, in half an
# hour; otherwise it is every so manyth, in two minutes.
TORTURE  ?= some
TORTURED  = $(BUILD)/torture
TORTURES  = torture-lua torture-malloc torture-sandbox torture-collect \
  torture-gc
WRAPPED   = malloc calloc realloc free strdup strndup \
  $(shell sed -n 's/^LENT.[^,]*, \([A-Za-z0-9_]*\),.*/\1/p' \
  spec/torture/allocate.c) json_pack
comma     = ,
TORTURE_RUN = env $(ENV_LUA) LUA_CPATH="$(abspath $(TORTURED))/lib/$(notdir \
  $(LUA))/?.so;$${LUA_CPATH:-;}" ASAN_OPTIONS=detect_leaks=1 \
  LSAN_OPTIONS=suppressions=spec/torture/leaks.supp:print_suppressions=0 \
  $(TORTURED)/torture
GC_SPECS = $(patsubst %,spec/%_spec.lua,api client errors money scheduler stems)
.PHONY: torture torture-build $(TORTURES)
torture: check-deps ## Refuse memory everywhere; TORTURE=all for every request.
	@$(MAKE) --no-print-directory -k $(TORTURES)

torture-build:
	@$(AGAIN) core sandbox BUILD=$(TORTURED) CC=gcc \
	  CFLAGS="-O1 -g -fno-omit-frame-pointer" EXTRA_CFLAGS="$(ASAN_FLAGS)" \
	  LDFLAGS="$(patsubst %,-Wl$(comma)--wrap=%,$(WRAPPED))"
	@gcc $(WARNINGS) -D_GNU_SOURCE -O1 -g $(ASAN_FLAGS) -rdynamic \
	  $(LUA_CFLAGS) $(CORE_CFLAGS) $(SANDBOX_CFLAGS) -o $(TORTURED)/torture \
	  spec/torture/*.c $(shell pkg-config --libs $(LUA_PC)) $(CORE_LIBS) \
	  $(SANDBOX_LIBS)

torture-lua torture-malloc torture-collect: torture-%: torture-build
	$(call step,$(TORTURE_RUN) spec/torture/main.lua $* $(TORTURE))
torture-sandbox: torture-build
	$(call step,$(TORTURE_RUN) spec/torture/sandbox.lua $(TORTURE))
# Full collections where the main paths are; elsewhere the collector just never
# rests.  Left out are those that compute on samples in Lua.
GC_FILES = $(filter-out $(GC_SPECS) $(wildcard spec/engine*_spec.lua \
  spec/formats_spec.lua),$(FILES))
torture-gc:
	$(call step,$(AGAIN) all bench-programs && CAMB_GC=1000 \
	  $(MAKE) --no-print-directory run-test FILE_LIMIT=$(SLOW_LIMIT) \
	  SPECS="--exclude-tags=timed $(GC_SPECS)" && CAMB_GC=always $(AGAIN) -k \
	  --output-sync=target FILE_LIMIT=$(SLOW_LIMIT) EXCEPT="build timed slow kill" \
	  $(GC_FILES:spec/%_spec.lua=each-%))

# Programs that print figures.  A C program that needs more than libc says here
# what it is linked with.
BENCHES ?= $(wildcard spec/bench/*.lua)
BENCH_PROGRAMS = $(patsubst spec/bench/%.c,$(BUILD)/bench/%,$(wildcard spec/bench/*.c))
$(BUILD)/bench/engine: $(ENGINE_O)
$(BUILD)/bench/engine: LIBS = $(shell pkg-config --libs $(AV))
$(BUILD)/bench/floor: LIBS = $(CORE_LIBS)
$(BUILD)/bench/service: LIBS = $(shell pkg-config --libs libmicrohttpd)

$(BUILD)/bench/%: spec/bench/%.c
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS) -lpthread -lm

# Jobs among faults by chance, for long; not a part of any other target.
SECONDS ?= 60
JOBS    ?= 200
SEED    ?=
.PHONY: soak
soak: test-deps ## Run JOBS jobs at a time for SECONDS under random faults.
	@$(AGAIN) all bench-programs $(SUPPORT_SO)
	@$(ENV_LUA) $(ENV_C) LUA=$(LUA) $(LUA) spec/soak/soak.lua $(SECONDS) \
	  $(JOBS) $(SEED)

# Recordings that spec/bench/separation mixes, 110 MB.  The weights are fitted
# on others: spec/bench/weights/fit.py needs python3-numpy fillets-ng-data
# fillets-ng-data-cs ktuberling-data asterisk-core-sounds-fr-g722
# singularity-music planetblupi-music-ogg marsshooter-data
# fretsonfire-songs-muldjord gnome-shell-pomodoro-data sonic-pi-samples.
BENCH_PACKAGES = asc-music asterisk-core-sounds-en-g722 csmash-demosong \
  fillets-ng-data-nl fretsonfire-songs-sectoid gamine-data \
  gnome-shell-pomodoro-data sonic-pi-samples

.PHONY: bench bench-deps bench-programs run-bench
bench-deps:
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES) $(BENCH_PACKAGES))
bench: bench-deps ## Run every program of spec/bench; BENCHES=… for some.
	@$(AGAIN) all bench-programs
	@$(MAKE) --no-print-directory run-bench
bench-programs: $(BENCH_PROGRAMS)
run-bench:
	@for b in $(BENCHES); do echo "== $$b"; \
	  $(ENV_LUA) $(ENV_C) $(ENV_PATH) LUA=$(LUA) BUILD=$(BUILD) \
	  $(LUA) $$b || exit 1; done

.PHONY: docs
docs: all ## Write build/docs: the reference, and definitions for editors.
	@mkdir -p $(BUILD)/docs
	@$(ENV_LUA) $(ENV_C) $(LUA) spec/support/docs.lua $(BUILD)/docs

LUA_SHARE = $(abspath $(PREFIX))/share/lua/$(LUA_VERSION)
LUA_LIB   = $(abspath $(PREFIX))/lib/lua/$(LUA_VERSION)
BIN       = $(abspath $(PREFIX))/bin

# $(call install-modules,LUA_FILES,SHARED_OBJECT)
define install-modules
	@for f in $(1:lua/%=%); do \
	  mkdir -p "$(DESTDIR)$(LUA_SHARE)/$$(dirname $$f)" && \
	  install -m 644 lua/$$f "$(DESTDIR)$(LUA_SHARE)/$$f" || exit 1; done
	@mkdir -p "$(dir $(DESTDIR)$(LUA_LIB)/$(2))"
	install -m 755 $(MODULES)/$(2) "$(DESTDIR)$(LUA_LIB)/$(2)"
endef

.PHONY: install install-core install-sandbox uninstall
install: install-core install-sandbox ## Install below PREFIX, staged in DESTDIR.
	@mkdir -p "$(DESTDIR)$(BIN)"
	@$(call command,$(LUA_SHARE),$(LUA_LIB)) > "$(DESTDIR)$(BIN)/camb"
	chmod 755 "$(DESTDIR)$(BIN)/camb"

# The rockspecs install by these.
install-core: core
	$(call install-modules,$(CORE_LUA),camb/core.so)
install-sandbox: sandbox
	$(call install-modules,$(SANDBOX_LUA),camb/sandbox/core.so)

uninstall: ## Remove what install has put there.
	rm -rf "$(DESTDIR)$(LUA_SHARE)/camb" "$(DESTDIR)$(LUA_LIB)/camb"
	rm -f "$(DESTDIR)$(LUA_SHARE)/camb.lua" "$(DESTDIR)$(BIN)/camb"

.PHONY: clean help
clean: ## Remove build/.
	rm -rf $(BUILD)

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | \
	  while IFS='	' read -r name text; do \
	    printf '  %-10s %s\n' "$$name" "$$text"; done
	@echo '  Variables: LUA=$(LUA) CC=$(CC) CFLAGS="$(CFLAGS)" PREFIX DESTDIR BUILD V'
