# camb: build, test and install.  `make` builds into build/ and writes nowhere
# else; `make help` lists the targets.

LUA     ?= lua5.4
CC      = gcc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build

# The one list of Debian packages: what the build and `make demo` need, then
# what `make test` adds, then what the linters and the sanitizer run add.
PACKAGES = gcc libc6-dev pkg-config lua5.4 liblua5.4-dev lua-cjson \
  lua-argparse libcurl4-openssl-dev ca-certificates libmicrohttpd-dev \
  libjansson-dev libavformat-dev libavcodec-dev libavutil-dev \
  libswresample-dev
TEST_PACKAGES = lua-busted luarocks curl ffmpeg procps
CHECK_PACKAGES = lua-check clang clang-format libclang-rt-14-dev valgrind

WARNINGS = -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes \
  -Wstrict-prototypes
SHARED   = -fPIC -fvisibility=hidden -D_GNU_SOURCE -Icsrc
ALL_CFLAGS = $(WARNINGS) $(SHARED) $(CFLAGS) $(EXTRA_CFLAGS)

# Looked up when a recipe runs, not when make starts: on a fresh machine
# `make deps` has to come first.
LUA_VERSION = $(shell $(LUA) -e 'print((_VERSION:match "%d%.%d"))')
LUA_PC      = $(notdir $(LUA))
LUA_CFLAGS  = $(shell pkg-config --cflags $(LUA_PC))
AV          = libavformat libavcodec libswresample libavutil

HEADERS   = $(wildcard csrc/*/*.h)
CORE_C    = $(wildcard csrc/core/*.c csrc/binding/*.c)
SANDBOX_C = $(wildcard csrc/sandbox/*.c csrc/engine/*.c)
LUA_FILES = $(shell find lua -name '*.lua')

OBJ        = $(BUILD)/obj/$(LUA_PC)
MODULES    = $(BUILD)/lib/$(LUA_PC)
CORE_SO    = $(MODULES)/camb/core.so
SANDBOX_SO = $(MODULES)/camb/sandbox/core.so
COMMAND    = $(BUILD)/bin/camb
CORE_O     = $(CORE_C:csrc/%.c=$(OBJ)/%.o)
SANDBOX_O  = $(SANDBOX_C:csrc/%.c=$(OBJ)/%.o)

.PHONY: all
all: $(CORE_SO) $(SANDBOX_SO) $(COMMAND)

$(OBJ)/%.o: csrc/%.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LUA_CFLAGS) -c -o $@ $<

$(CORE_SO): $(CORE_O)
	@mkdir -p $(@D)
	$(CC) -shared $(EXTRA_CFLAGS) $(LDFLAGS) -o $@ $^ \
	  $(shell pkg-config --libs libcurl)

$(SANDBOX_SO): $(SANDBOX_O)
	@mkdir -p $(@D)
	$(CC) -shared $(EXTRA_CFLAGS) $(LDFLAGS) -o $@ $^ \
	  $(shell pkg-config --libs libmicrohttpd jansson $(AV)) -lpthread -lm

# The command from the checkout: the same lines as the installed one, with the
# checkout's own paths in front.
$(COMMAND): lua/camb/cli/command.lua Makefile
	@mkdir -p $(@D)
	{ echo '#!/usr/bin/env $(LUA)'; \
	  echo 'package.path = "$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;" .. package.path'; \
	  echo 'package.cpath = "$(abspath $(MODULES))/?.so;" .. package.cpath'; \
	  cat $<; } > $@
	chmod +x $@

# Shell lines: eval "$$(make -s env)"
.PHONY: env
env:
	@echo 'export LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;"'
	@echo 'export LUA_CPATH="$(abspath $(MODULES))/?.so;;"'
	@echo 'export PATH="$(abspath $(BUILD))/bin:$$PATH"'

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
deps:
	$(call install-packages,$(PACKAGES))
test-deps:
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES))
check-deps:
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES) $(CHECK_PACKAGES))

# What was installed only now is not known to this make: a second one goes on.
.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory all
	@rm -rf $(BUILD)/demo
	$(COMMAND) separate examples/mix.flac --sandbox -o $(BUILD)/demo

SPECS ?= spec
BUSTED = eval "$$($(MAKE) -s env)" && \
  busted --lua="$$(command -v $(LUA))" --pattern=_spec --output=plainTerminal

.PHONY: test
test: test-deps
	@$(MAKE) --no-print-directory run-test

.PHONY: run-test
run-test: all
	@$(BUSTED) $(SPECS)

.PHONY: clean
clean:
	rm -rf $(BUILD)

.PHONY: install uninstall
LUA_SHARE = $(DESTDIR)$(PREFIX)/share/lua/$(LUA_VERSION)
LUA_LIB   = $(DESTDIR)$(PREFIX)/lib/lua/$(LUA_VERSION)

install: all
	@for f in $(LUA_FILES:lua/%=%); do \
	  install -D -m 644 lua/$$f "$(LUA_SHARE)/$$f" || exit 1; done
	install -D -m 755 $(CORE_SO) "$(LUA_LIB)/camb/core.so"
	install -D -m 755 $(SANDBOX_SO) "$(LUA_LIB)/camb/sandbox/core.so"
	@mkdir -p "$(DESTDIR)$(PREFIX)/bin"
	{ echo '#!/usr/bin/env $(LUA)'; \
	  echo 'package.path = "$(PREFIX)/share/lua/$(LUA_VERSION)/?.lua;$(PREFIX)/share/lua/$(LUA_VERSION)/?/init.lua;" .. package.path'; \
	  echo 'package.cpath = "$(PREFIX)/lib/lua/$(LUA_VERSION)/?.so;" .. package.cpath'; \
	  cat lua/camb/cli/command.lua; } > "$(DESTDIR)$(PREFIX)/bin/camb"
	chmod 755 "$(DESTDIR)$(PREFIX)/bin/camb"

uninstall:
	rm -rf "$(LUA_SHARE)/camb" "$(LUA_SHARE)/camb.lua" "$(LUA_LIB)/camb" \
	  "$(DESTDIR)$(PREFIX)/bin/camb"
