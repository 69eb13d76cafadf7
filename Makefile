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
  strace faketime tinyproxy-bin microsocks lua-luaossl lua5.1 \
  liblua5.1-0-dev locales chromium chromium-driver
CHECK_PACKAGES = lua-check luajit libluajit-5.1-dev clang libclang-rt-dev \
  clang-format valgrind

WARNINGS = -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes \
  -Wstrict-prototypes
ALL_CFLAGS = $(WARNINGS) -fPIC -fvisibility=hidden -D_GNU_SOURCE \
  -D_FILE_OFFSET_BITS=64 -Icsrc \
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
SANDBOX_LUA = $(filter lua/camb/sandbox.lua lua/camb/audio.lua \
  lua/camb/sandbox/%,$(LUA_FILES))
CORE_LUA    = $(filter-out $(SANDBOX_LUA),$(LUA_FILES)) \
  $(wildcard lua/camb/report/page.*)

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

$(OBJ)/engine/weights.o: csrc/engine/weights.bin
# Its loops have to be unrolled, whatever CFLAGS says.
$(OBJ)/engine/product.o: LIB_CFLAGS += -O3
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

# nginx with Lua wants another LuaJIT than the linters install: what it needs is
# only unpacked.
UNPACKED_PACKAGES = nginx libnginx-mod-http-ndk libnginx-mod-http-lua \
  lua-resty-core lua-resty-lrucache libluajit2-5.1-2 libpcre3
UNPACKED = $(BUILD)/unpacked
$(UNPACKED):
	@command -v apt-get >/dev/null || { echo "no apt-get for nginx" >&2; exit 0; }; \
	echo "unpacking $(UNPACKED_PACKAGES)"; \
	rm -rf $@.new && mkdir -p $@.new/debs && cd $@.new/debs && \
	get() { apt-get download -qq $(UNPACKED_PACKAGES) 2>&1; } && \
	{ get >/dev/null || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && get; }; } && \
	for d in *.deb; do dpkg -x $$d .. || exit 1; done && \
	cd - >/dev/null && mv $@.new $@

.PHONY: deps test-deps check-deps
deps: ## Install what the build needs, where it is missing (Debian, Ubuntu).
	$(call install-packages,$(PACKAGES))
test-deps: $(UNPACKED)
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES))
check-deps:
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES) $(CHECK_PACKAGES))

.PHONY: demo
demo: deps ## Separate examples/mix.flac by the sandbox.
	@$(AGAIN) all
	@rm -rf $(BUILD)/demo
	$(COMMAND) separate examples/mix.flac --sandbox -o $(BUILD)/demo
	@$(COMMAND) report $(BUILD)/demo --mixtures examples \
	  -o $(BUILD)/demo/report.html >/dev/null
	@echo 'Open $(BUILD)/demo/report.html in a browser to listen.'

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

# Linters, sanitizers, coverage, fuzzing, torture, soak and benchmarks.
-include spec/check.mk

.PHONY: docs
docs: all ## Write build/docs: reference, man page, definitions for editors.
	@rm -rf $(BUILD)/docs && mkdir -p $(BUILD)/docs
	@$(ENV_LUA) $(ENV_C) $(LUA) spec/support/docs.lua $(BUILD)/docs

LUA_SHARE = $(abspath $(PREFIX))/share/lua/$(LUA_VERSION)
LUA_LIB   = $(abspath $(PREFIX))/lib/lua/$(LUA_VERSION)
BIN       = $(abspath $(PREFIX))/bin
MAN       = $(abspath $(PREFIX))/share/man/man1
LIBRARY   = $(abspath $(PREFIX))/share/camb/library

# $(call install-modules,LUA_FILES,SHARED_OBJECT)
define install-modules
	@for f in $(1:lua/%=%); do \
	  mkdir -p "$(DESTDIR)$(LUA_SHARE)/$$(dirname $$f)" && \
	  install -m 644 lua/$$f "$(DESTDIR)$(LUA_SHARE)/$$f" || exit 1; done
	@mkdir -p "$(dir $(DESTDIR)$(LUA_LIB)/$(2))"
	install -m 755 $(MODULES)/$(2) "$(DESTDIR)$(LUA_LIB)/$(2)"
endef

.PHONY: install install-core install-sandbox install-docs uninstall
install: install-core install-sandbox install-docs ## Install below PREFIX, staged in DESTDIR.
	@mkdir -p "$(DESTDIR)$(BIN)"
	@$(call command,$(LUA_SHARE),$(LUA_LIB)) > "$(DESTDIR)$(BIN)/camb"
	chmod 755 "$(DESTDIR)$(BIN)/camb"

# The rockspecs install by these.
install-core: core
	$(call install-modules,$(CORE_LUA),camb/core.so)
install-sandbox: sandbox
	$(call install-modules,$(SANDBOX_LUA),camb/sandbox/core.so)

install-docs: docs
	@mkdir -p "$(DESTDIR)$(MAN)" "$(DESTDIR)$(LIBRARY)/camb/loop"
	install -m 644 $(BUILD)/docs/camb.1 "$(DESTDIR)$(MAN)/camb.1"
	@cd $(BUILD)/docs/library && for f in *.lua */*.lua */*/*.lua; do \
	  install -m 644 $$f "$(DESTDIR)$(LIBRARY)/$$f" || exit 1; done

uninstall: ## Remove what install has put there.
	rm -rf "$(DESTDIR)$(LUA_SHARE)/camb" "$(DESTDIR)$(LUA_LIB)/camb"
	rm -rf "$(DESTDIR)$(abspath $(PREFIX))/share/camb"
	rm -f "$(DESTDIR)$(LUA_SHARE)/camb.lua" "$(DESTDIR)$(BIN)/camb" \
	  "$(DESTDIR)$(MAN)/camb.1"

.PHONY: clean help
clean: ## Remove build/.
	rm -rf $(BUILD)

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile spec/check.mk | \
	  while IFS='	' read -r name text; do \
	    printf '  %-10s %s\n' "$$name" "$$text"; done
	@echo '  Variables: LUA=$(LUA) CC=$(CC) CFLAGS="$(CFLAGS)" PREFIX DESTDIR BUILD V'
