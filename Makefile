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
  libavutil-dev libswresample-dev lua-dbi-sqlite3
TEST_PACKAGES = lua-busted lua-cqueues lua-luv luarocks lua-posix lua-md5 \
  curl ffmpeg procps lua-dbi-postgresql sqlite3 postgresql-15 pgbouncer \
  lua-http strace faketime tinyproxy-bin microsocks lua-luaossl $(LUA_PACKAGES) luajit \
  libluajit-5.1-dev lua-compat53 locales chromium chromium-driver zsh fish \
  libsecret-tools gnome-keyring dbus-daemon \
  $(DOCS_PACKAGES)
LUA_PACKAGES = lua5.1 liblua5.1-0-dev lua5.2 liblua5.2-dev lua5.3 liblua5.3-dev
DOCS_PACKAGES = python3-sphinx python3-myst-parser
CHECK_PACKAGES = lua-check clang libclang-rt-dev clang-format valgrind

WARNINGS = -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes \
  -Wstrict-prototypes
ALL_CFLAGS = $(WARNINGS) -fPIC -fvisibility=hidden -D_GNU_SOURCE \
  -D_FILE_OFFSET_BITS=64 -Icsrc \
  $(CFLAGS) $(EXTRA_CFLAGS)
# How sockets are waited for; nothing: as the system does it best.  kqueue on Linux
# is that of libkqueue.
POLLER ?=
ifneq ($(POLLER),)
ALL_CFLAGS += -DCAMB_POLLER_$(shell echo $(POLLER) | tr a-z A-Z)
endif
ifeq ($(shell uname -s),Darwin)
SHARED = -bundle -undefined dynamic_lookup
# Homebrew's curl is not linked into its prefix; macOS' own has no file for
# pkg-config.
export PKG_CONFIG_PATH := $(PKG_CONFIG_PATH)$(subst $() ,,$(addprefix :,$(wildcard \
  $(foreach brew,/opt/homebrew /usr/local,$(brew)/lib/pkgconfig \
  $(brew)/opt/curl/lib/pkgconfig $(brew)/opt/lua@5.4/lib/pkgconfig) \
  /opt/local/lib/pkgconfig)))
else
SHARED = -shared
endif

# Looked up when a recipe runs, not when make starts: on a fresh machine
# `make deps` has to come first.
LUA_VERSION = $(shell $(LUA) -e 'print((_VERSION:match "%d%.%d"))' \
  2>/dev/null)
LUA_PC      = $(shell for p in $(notdir $(LUA)) lua$(LUA_VERSION) \
  lua-$(LUA_VERSION) lua; do pkg-config --exists $$p && echo $$p && break; done)
LUA_CFLAGS  = $(shell pkg-config --cflags $(LUA_PC))
HTTPD       = libmicrohttpd jansson gnutls zlib
AV          = libavformat libavcodec libswresample libavutil
CURL           = libcurl $(if $(filter Linux-kqueue,$(shell uname -s)-$(POLLER)),\
  libkqueue)
CORE_CFLAGS    = $(shell pkg-config --cflags $(CURL) 2>/dev/null)
CORE_LIBS      = $(or $(shell pkg-config --libs $(CURL) 2>/dev/null),-lcurl)
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
# One file is in both; it needs no library.
OWN_O = $(filter-out $(CORE_O),$(SANDBOX_O))
$(OWN_O): LIB_CFLAGS = $(SANDBOX_CFLAGS)

$(OBJ)/engine/weights.o: csrc/engine/weights.bin
# Its loops have to be unrolled, whatever CFLAGS says.
$(OBJ)/engine/product.o: LIB_CFLAGS += -O3 -ffp-contract=fast
$(OBJ)/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) $(LUA_CFLAGS) $(LIB_CFLAGS) \
	  -MMD -MP -c -o $@ $<

-include $(CORE_O:.o=.d) $(SANDBOX_O:.o=.d)

# What is missing is said before anything is compiled, once for each Lua.
# $(call has-header,HEADER,FLAGS,PACKAGE)
define has-header
	@printf '#if !__has_include(<$(1)>)\n#error\n#endif\n' | \
	  $(CC) $(2) -E -xc - >/dev/null 2>&1 || { echo \
	  "$(1) is not found: install $(strip $(3)), as Debian calls it" >&2; \
	  exit 1; }
endef
LUA_PACKAGE = $(if $(findstring jit,$(notdir $(LUA))),libluajit-5.1,\
  liblua$(LUA_VERSION))-dev
$(OBJ)/has-lua:
	@$(LUA) -v >/dev/null 2>&1 || { \
	  echo "LUA=$(LUA) does not run: install it, or name another" >&2; exit 1; }
	$(call has-header,lua.h,$(LUA_CFLAGS),$(LUA_PACKAGE))
	@printf '%s\n' '#include <lua.h>' LUA_VERSION_NUM | \
	  $(CC) $(LUA_CFLAGS) -E -xc - | grep -qx '$(subst .,0,$(LUA_VERSION))' || { \
	  echo "lua.h is not that of $(LUA): install" \
	    "$(strip $(LUA_PACKAGE)), as Debian calls it" >&2; exit 1; }
	@mkdir -p $(@D) && touch $@
$(OBJ)/has-curl:
	$(call has-header,curl/curl.h,$(CORE_CFLAGS),libcurl4-openssl-dev)
	@mkdir -p $(@D) && touch $@
$(OBJ)/has-media:
	$(call has-header,microhttpd.h,$(SANDBOX_CFLAGS),libmicrohttpd-dev)
	$(call has-header,jansson.h,$(SANDBOX_CFLAGS),libjansson-dev)
	$(call has-header,gnutls/gnutls.h,$(SANDBOX_CFLAGS),libgnutls28-dev)
	$(call has-header,zlib.h,$(SANDBOX_CFLAGS),zlib1g-dev)
	$(call has-header,libavformat/avformat.h,$(SANDBOX_CFLAGS),libavformat-dev)
	$(call has-header,libavcodec/avcodec.h,$(SANDBOX_CFLAGS),libavcodec-dev)
	$(call has-header,libavutil/avutil.h,$(SANDBOX_CFLAGS),libavutil-dev)
	$(call has-header,libswresample/swresample.h,$(SANDBOX_CFLAGS),\
	  libswresample-dev)
	@mkdir -p $(@D) && touch $@
$(CORE_O): | $(OBJ)/has-lua $(OBJ)/has-curl
$(OWN_O): | $(OBJ)/has-lua $(OBJ)/has-media
$(COMMAND): | $(OBJ)/has-lua

$(CORE_SO): $(CORE_O)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(SHARED) $(EXTRA_CFLAGS) $(LDFLAGS) -o $@ $^ \
	  $(CORE_LIBS) -lpthread

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

# $(call env-lua,DIR) and the others: what lets camb be used from there.
env-lua  = LUA_PATH="$(1)/?.lua;$(1)/?/init.lua;$${LUA_PATH:-;}"
env-c    = LUA_CPATH="$(1)/?.so;$${LUA_CPATH:-;}"
env-path = PATH="$(1):$$PATH"
ENV_LUA  = $(call env-lua,$(CURDIR)/lua)
ENV_C    = $(call env-c,$(abspath $(MODULES)))
ENV_PATH = $(call env-path,$(abspath $(BUILD))/bin)

.PHONY: env
env: ## Print what lets the checkout be used: eval "$(make -s env)".
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

.PHONY: deps test-deps check-deps docs-deps
deps: ## Install what the build needs, where it is missing (Debian, Ubuntu).
	$(call install-packages,$(PACKAGES))
test-deps: $(UNPACKED)
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES))
check-deps:
	$(call install-packages,$(PACKAGES) $(TEST_PACKAGES) $(CHECK_PACKAGES))
docs-deps:
	$(call install-packages,$(PACKAGES) $(DOCS_PACKAGES))

.PHONY: demo
demo: deps ## Separate examples/mix.flac by the sandbox.
	@echo 'building'
	@$(AGAIN) all >/dev/null
	@rm -rf $(BUILD)/demo
	$(COMMAND) separate examples/mix.flac --sandbox -o $(BUILD)/demo
	@$(COMMAND) report $(BUILD)/demo --mixtures examples \
	  -o $(BUILD)/demo/report.html >/dev/null
	@printf '%s\n' '' \
	  'To listen, open this in a browser: file://$(abspath $(BUILD))/demo/report.html' \
	  'Next, with files of your own, still without an account:' \
	  '  eval "$$(make -s env)"' \
	  '  camb separate SONG.mp3 -o song --sandbox' \
	  '  camb batch FOLDER -o stems --sandbox    # Ctrl-C, then again: it resumes' \
	  '  camb report stems -o report.html        # a page to listen on' \
	  '  camb serve                              # a page to drop files on'

# The picture in the README.
.PHONY: picture
picture: demo
	@$(ENV_LUA) $(ENV_C) $(LUA) spec/support/picture.lua \
	  $(abspath $(BUILD))/demo/report.html doc/page.png

# The suite, in this build.  Specs find LUA and BUILD in their environment.
SPECS ?= spec
BUSTED = env --default-signal SHELL=/bin/sh $(ENV_LUA) $(ENV_C) $(ENV_PATH) \
  LUA=$(LUA) BUILD=$(BUILD) POLLER=$(POLLER) $(LUA) spec/support/busted.lua \
  --helper=spec/support/slowest.lua --pattern=_spec --output=plainTerminal

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

# Each file in a process of its own, three at a time for each processor, as they
# mostly wait, and the longest first; then what holds an upper bound of time, with
# a processor for each.
FILES = $(wildcard spec/*_spec.lua)
LONG  = $(patsubst %,spec/%_spec.lua,breaker build page progress paid \
  store_postgres live_page redaction download batch_gone engine_sources formats \
  engine_command sandbox_tasks resources tls stems)
SLOW_TIMED = $(patsubst %,spec/%_spec.lua,store_silence deadline)
# $(call long-first,LONG,FILES): a target's stem for each.
long-first = $(patsubst spec/%_spec.lua,%,$(filter $(2),$(1)) \
  $(filter-out $(1),$(2)))
EACH  = $(addprefix each-,$(call long-first,$(LONG),$(FILES)))
TIMED = $(addprefix timed-,$(call long-first,$(SLOW_TIMED),$(shell grep -l \
  '\#timed' $(FILES))))
LOG   = $(BUILD)/test.log

.PHONY: test run-test run-all $(EACH) $(TIMED)
test: test-deps ## Run the specs; SPECS=spec/x_spec.lua for some of them.
	@$(AGAIN) all bench-programs $(SUPPORT_SO)
	@$(MAKE) --no-print-directory $(if $(filter spec,$(SPECS)),run-all,run-test)
run-test: $(SUPPORT_SO)
	@$(call limited,run-test,$(SPECS))
run-all:
	@{ $(MAKE) --no-print-directory -j$$((3 * $(CORES))) -k \
	   --output-sync=target $(EACH); \
	   $(if $(TIMED),$(MAKE) --no-print-directory -j$(CORES) -k \
	   --output-sync=target $(TIMED);) } 2>&1 | \
	  tee $(LOG)
	@$(LUA) spec/support/total.lua $(LOG) $(words $(EACH) $(TIMED))
EXCEPT = timed
# LeakSanitizer itself breaks now and then, where a thread ends while it looks at
# a process that does: then the file runs again, twice at most.
BROKEN = LeakSanitizer has encountered a fatal error
$(EACH): each-%: $(SUPPORT_SO)
	@echo "spec/$*_spec.lua"
	@log=$(BUILD)/each-$*.log; \
	run() { { $(call limited,$*_spec.lua,$(EXCEPT:%=--exclude-tags=%) \
	  spec/$*_spec.lua); } > $$log 2>&1; }; \
	again() { grep -q '$(BROKEN)' $$log && run; }; \
	run || again || again; status=$$?; cat $$log; exit $$status
$(TIMED): timed-%: $(SUPPORT_SO)
	@$(call limited,$@,--tags=timed spec/$*_spec.lua)

# The other Luas, one after the other, each in a build of its own.  ONCE is left
# out: it repeats C, or starts Luas by itself.  SHORT is what .ci/run has time for:
# what calls and waits, where one Lua differs from another.
OTHER_LUAS = $(filter-out $(notdir $(LUA)),lua5.1 lua5.2 lua5.3 lua5.4 luajit)
ONCE  = engine engine_% formats build page peers docs book other_luas \
  batch_kill batch_postgres sandbox_%
SHORT = api cancel client condition errors events gathering json loops misuse \
  scheduler stems
each-lua = @failed=; for lua in $(OTHER_LUAS); do \
    on="--no-print-directory LUA=$$lua BUILD=$(BUILD)/$$lua"; \
    echo "== $$lua"; ( \
    $(AGAIN) $$on CFLAGS="-O1 -g" EXTRA_CFLAGS=-Werror all bench-programs && \
    eval "$$($(MAKE) -s $$on env)" && \
    $$lua spec/support/load.lua $(LUA_FILES) $(FILES) && \
    $(MAKE) $$on FILES="$(1)" $(2) run-all ) || failed="$$failed $$lua"; done; \
  [ -z "$$failed" ] || { echo "failed on$$failed"; false; }

.PHONY: test-all test-luas
test-all: test ## Run the specs on all five Luas.
	$(call each-lua,$(filter-out $(ONCE:%=spec/%_spec.lua),$(FILES)))
test-luas: test-deps ## Run some of them on the four others.
	$(call each-lua,$(SHORT:%=spec/%_spec.lua),TIMED=)

# What specs need of the system: forks, and peers that only the kernel plays.
$(SUPPORT_SO): spec/support/system.c
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LUA_CFLAGS) $(SHARED) \
	  $(EXTRA_CFLAGS) -o $@ $<

# Linters, sanitizers, coverage, fuzzing, torture, soak and benchmarks.
-include spec/check.mk
# Other systems, and a release as people use it.
-include spec/ports/ports.mk

DOCS = $(BUILD)/docs
# $(call generate,DIR): chapters of the book, man page, definitions for editors.
generate = $(ENV_LUA) $(ENV_C) $(LUA) spec/support/docs.lua $(1) $(LUA_FILES)
.PHONY: generated
generated: all
	@rm -rf $(DOCS)/library && mkdir -p $(DOCS)
	@$(call generate,$(DOCS))

# The book is made from a copy in which everything that it links to has its
# place.  A warning, such as for a dead link, is an error.
.PHONY: docs
docs: docs-deps ## Write build/docs: the book, man page, definitions for editors.
	@$(AGAIN) generated
	@rm -rf $(DOCS)/source $(DOCS)/book && mkdir -p $(DOCS)/source
	@cp -R *.md LICENSE doc examples $(DOCS)/source
	@cp $(DOCS)/*.md $(DOCS)/source/doc
	@sphinx-build -q -W --keep-going -c doc $(DOCS)/source $(DOCS)/book
	@echo 'Open $(DOCS)/book/doc/index.html in a browser.'

# A release: a tarball of the checkout, and the two rockspecs that take it from
# there, or from a tag: make dist ROCK_URL=git+https://… ROCK_TAG=v1.0.0.
VERSION  = $(shell sed -n 's/^camb.VERSION = "\(.*\)"/\1/p' lua/camb.lua)
RELEASE  = camb-$(VERSION)
DIST     = $(abspath $(BUILD))/dist
ROCK_URL ?= file://$(DIST)/$(RELEASE).tar.gz
ROCK_TAG ?=
SHIPPED  = $(or $(shell git ls-files 2>/dev/null),$(filter-out \
  $(firstword $(subst /, ,$(BUILD))),$(wildcard * .ci .[c-l]*)))
.PHONY: dist
dist: ## Write build/dist: the tarball and the rockspecs of a release.
	@rm -rf $(DIST) && mkdir -p $(DIST)
	@tar -c --sort=name --owner=0 --group=0 --numeric-owner \
	  --mtime=@$$(git log -1 --format=%ct 2>/dev/null || echo 0) \
	  --transform 's,^,$(RELEASE)/,' $(SHIPPED) | gzip -n > \
	  $(DIST)/$(RELEASE).tar.gz
	@for rock in camb camb-sandbox; do \
	  sed -e 's|^-- From .*|-- Release $(VERSION).|' \
	    -e 's|^version = .*|version = "$(VERSION)-1"|' \
	    -e 's|^source = .*|source = { url = "$(ROCK_URL)"$(if \
	      $(ROCK_TAG),$(comma) tag = "$(ROCK_TAG)") }|' \
	    $$rock-dev-1.rockspec > $(DIST)/$$rock-$(VERSION)-1.rockspec; done
	@ls $(DIST)

DEB_PACKAGES = debhelper $(LUA_PACKAGES)
.PHONY: deb
deb: dist ## Write build/deb: Debian packages, lua-camb and camb.
	$(call install-packages,$(PACKAGES) $(DEB_PACKAGES))
	@rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb
	@tar -xzf $(DIST)/$(RELEASE).tar.gz -C $(BUILD)/deb
	@cd $(BUILD)/deb/$(RELEASE) && mv .debian debian && printf 'camb (%s-1) unstable; urgency=low\n\n'\
	'  * Release %s.\n\n -- %s  %s\n' $(VERSION) $(VERSION) \
	  "$$(sed -n 's/^Maintainer: //p' debian/control)" "$$(LC_ALL=C date -R)" \
	  > debian/changelog && dpkg-buildpackage -b -d -us -uc >../log 2>&1 || { \
	  tail -30 ../log; exit 1; }
	@ls $(BUILD)/deb/*.deb

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

# Whether Lua searches below PREFIX.
SEARCHES = os.exit(package.path:find("$(LUA_SHARE)/?.lua", 1, true) \
  and package.cpath:find("$(LUA_LIB)/?.so", 1, true) and 0 or 1)

.PHONY: install install-core install-sandbox install-docs install-command \
  uninstall
install: install-core install-sandbox install-docs install-completions install-command ## Install below PREFIX, staged in DESTDIR.
	@[ -n "$(DESTDIR)" ] || $(LUA) -e '$(SEARCHES)' || { \
	  echo 'To use it from $(LUA) and the shell, run, or add to your profile:'; \
	  printf 'export %s\n' '$(call env-lua,$(LUA_SHARE))' \
	    '$(call env-c,$(LUA_LIB))' '$(call env-path,$(BIN))'; }

install-command: core
	@mkdir -p "$(DESTDIR)$(BIN)"
	@$(call command,$(LUA_SHARE),$(LUA_LIB)) > "$(DESTDIR)$(BIN)/camb"
	chmod 755 "$(DESTDIR)$(BIN)/camb"

# The rockspecs install by these.
install-core: core
	$(call install-modules,$(CORE_LUA),camb/core.so)
install-sandbox: sandbox
	$(call install-modules,$(SANDBOX_LUA),camb/sandbox/core.so)

# Elsewhere than in the build, in which root's files would be in the way.
install-docs: all
	@mkdir -p "$(DESTDIR)$(MAN)" "$(DESTDIR)$(LIBRARY)/camb/loop"
	@made=$$(mktemp -d) && trap 'rm -rf $$made' EXIT && \
	  $(call generate,$$made) && \
	  install -m 644 $$made/camb.1 "$(DESTDIR)$(MAN)/camb.1" && \
	  cd $$made/library && for f in *.lua */*.lua */*/*.lua; do \
	  install -m 644 $$f "$(DESTDIR)$(LIBRARY)/$$f" || exit 1; done

# Where each shell looks for completions.
SHARE = $(abspath $(PREFIX))/share
COMPLETIONS = bash:bash-completion/completions/camb \
  zsh:zsh/site-functions/_camb fish:fish/vendor_completions.d/camb.fish
.PHONY: install-completions
install-completions: all
	@for c in $(COMPLETIONS); do f="$(DESTDIR)$(SHARE)/$${c#*:}" && \
	  mkdir -p "$$(dirname "$$f")" && \
	  $(COMMAND) completion "$${c%%:*}" > "$$f" || exit 1; done

uninstall: ## Remove what install has put there.
	rm -rf "$(DESTDIR)$(LUA_SHARE)/camb" "$(DESTDIR)$(LUA_LIB)/camb"
	rm -rf "$(DESTDIR)$(abspath $(PREFIX))/share/camb"
	rm -f "$(DESTDIR)$(LUA_SHARE)/camb.lua" "$(DESTDIR)$(BIN)/camb" \
	  "$(DESTDIR)$(MAN)/camb.1"
	@for c in $(COMPLETIONS); do rm -f "$(DESTDIR)$(SHARE)/$${c#*:}"; done

.PHONY: clean help
clean: ## Remove build/.
	rm -rf $(BUILD)

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile spec/check.mk \
	  spec/ports/ports.mk | \
	  while IFS='	' read -r name text; do \
	    printf '  %-10s %s\n' "$$name" "$$text"; done
	@echo '  Variables: LUA=$(LUA) CC=$(CC) CFLAGS="$(CFLAGS)" PREFIX DESTDIR BUILD V'
