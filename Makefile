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
