# Systems other than this one, as far as this one can build for them and run what
# it has built; a part of the Makefile at the top.  None of it is in .ci/run: each
# takes minutes, and installs compilers.  doc/platforms.md says what came of it.

PORTS  = $(abspath $(BUILD))/ports
SOURCE = spec/ports/source.sh $(PORTS)/src
# Debian's sources that the systems without packages of it are built from.
LUA_SRC  = $(PORTS)/src/lua5.4/src
CJSON_C  = $(addprefix $(PORTS)/src/lua-cjson/,lua_cjson.c strbuf.c fpconv.c)
# The first has a header of what Debian builds it for; the second takes LuaJIT for a
# 5.1 without luaL_setfuncs.
SOURCES  = $(SOURCE) lua5.4 && $(SOURCE) lua-cjson && $(SOURCE) curl && \
  echo '\#define DEB_HOST_MULTIARCH "."' > $(LUA_SRC)/lua5.4-deb-multiarch.h && \
  sed -i 's/^.if .*LUA_VERSION_NUM < 502$$/\#if 0/' \
  $(PORTS)/src/lua-cjson/lua_cjson.c
LUA_LIB_C = $$(ls $(LUA_SRC)/*.c | grep -v '/luac\?\.c$$')
PORT_PACKAGES = dpkg-dev

# libcurl with what camb asks of it: HTTP, proxies, TLS where it is said.
# $(call curl,NAME,CONFIGURE'S WORDS): into $(PORTS)/NAME.
CURL_WITHOUT = $(addprefix --disable-,shared ftp file ldap ldaps rtsp dict telnet \
  tftp pop3 imap smb smtp gopher mqtt manual alt-svc ntlm unix-sockets) \
  $(addprefix --without-,libpsl brotli zstd libidn2 nghttp2 librtmp zlib)
curl = [ -e $(PORTS)/$(1)/lib/libcurl.a ] || { mkdir -p $(PORTS)/$(1)/curl && \
  cd $(PORTS)/$(1)/curl && { ../../src/curl/configure --quiet \
  --prefix=$(PORTS)/$(1) $(CURL_WITHOUT) $(2) && $(MAKE) -j$(CORES) -C lib install && \
  $(MAKE) -C include install; } > log 2>&1 || { tail log; false; }; }

# $(call with-sandbox,COMMAND): with a sandbox of this machine at $$url, and a new
# folder $$work.
with-sandbox = work=$$(mktemp -d) && { $(COMMAND) serve --port 0 --api-key port \
  > $$work/served & served=$$!; \
  trap 'kill $$served; rm -rf $$work' EXIT; for i in $$(seq 100); do \
  grep -q 'listens at' $$work/served && break; sleep 0.1; done; \
  url=$$(sed -n 's/^The sandbox listens at //p' $$work/served); $(1); }

# A release as people would get it: the README's packages, then the tarball, a
# server of rocks, and each Lua.
RELEASE_PACKAGES = luarocks $(LUA_PACKAGES) luajit
.PHONY: release-check deb-check
release-check: deps ## Install a release by LuaRocks for each Lua, and use it.
	$(call install-packages,$(RELEASE_PACKAGES))
	@$(MAKE) --no-print-directory dist
	@rm -rf $(BUILD)/release
	@spec/ports/release.sh $(BUILD)/release $(DIST)
deb-check: deb ## Install the packages (in a chroot, if you like), and use them.
	@spec/ports/deb.sh $(BUILD)/deb

# musl: Lua, lua-cjson and libcurl are built for it as well.
MUSL = $(PORTS)/musl
.PHONY: musl
musl: deps ## Build for musl, and use it.
	$(call install-packages,$(PORT_PACKAGES) musl-tools)
	@$(AGAIN) all
	@$(SOURCES) && $(call curl,musl,CC=musl-gcc --without-ssl CFLAGS="-O2 -fPIC")
	@mkdir -p $(MUSL)/bin $(MUSL)/lib
	@[ -e $(MUSL)/bin/lua ] || musl-gcc -O2 -DLUA_USE_POSIX -DLUA_USE_DLOPEN \
	  -Wl,-E -o $(MUSL)/bin/lua $(LUA_SRC)/lua.c $(LUA_LIB_C) -lm
	@[ -e $(MUSL)/lib/cjson.so ] || musl-gcc -w -O2 -fPIC -shared -I$(LUA_SRC) \
	  -o $(MUSL)/lib/cjson.so $(CJSON_C) -lm
	@$(AGAIN) core BUILD=$(MUSL)/camb LUA=lua5.4 CC=musl-gcc EXTRA_CFLAGS=-Werror \
	  LUA_CFLAGS=-I$(LUA_SRC) CORE_CFLAGS=-I$(MUSL)/include \
	  CORE_LIBS=$(MUSL)/lib/libcurl.a
	@$(call with-sandbox,LUA_PATH="lua/?.lua;lua/?/init.lua" \
	  LUA_CPATH="$(MUSL)/camb/lib/lua5.4/?.so;$(MUSL)/lib/?.so" \
	  timeout 300 $(MUSL)/bin/lua spec/ports/check.lua $$url port $$work \
	  spec/fixtures/mix.flac)

# The pollers that Linux does not choose by itself.  Debian has no libkqueue any
# more: PKG_CONFIG_PATH says where one is.
POLLERS ?= poll $(shell pkg-config --exists libkqueue && echo kqueue)
POLLER_SPECS = $(patsubst %,spec/%_spec.lua,loops client cancel deadline fork \
  inherit scheduler)
.PHONY: pollers
pollers: test-deps ## Run specs of the loops over poll, and over libkqueue.
	@failed=; for p in $(POLLERS); do echo "== $$p"; \
	  on="--no-print-directory BUILD=$(BUILD)/$$p POLLER=$$p"; \
	  $(AGAIN) $$on EXTRA_CFLAGS=-Werror all bench-programs && \
	  $(MAKE) $$on FILES="$(POLLER_SPECS)" run-all || failed="$$failed $$p"; done; \
	[ -z "$$failed" ] || { echo "failed over$$failed"; false; }

# One file with a Lua of its own, for hosts that keep theirs to themselves.  The
# length that 5.4.7 and later look for in a long string is written, too.
SINGLE      = $(PORTS)/single
SINGLE_LUA  = $(filter-out lua/camb/cli.lua lua/camb/cli/% lua/camb/report/% \
  lua/camb/store/% lua/camb/loop/%,$(filter %.lua,$(CORE_LUA)))
SINGLE_C    = csrc/single/single.c $(SINGLE)/embedded.c $(SINGLE)/cjson/*.c \
  $(SINGLE)/lua/*.c
SINGLE_SOURCES = $(SOURCE) lua5.4 && $(SOURCE) lua-cjson && \
  rm -rf $(SINGLE)/lua $(SINGLE)/cjson && mkdir -p $(SINGLE)/lua $(SINGLE)/cjson && \
  cp $(LUA_SRC)/*.[ch] $(SINGLE)/lua && rm $(SINGLE)/lua/lua.c $(SINGLE)/lua/luac.c && \
  echo '\#define DEB_HOST_MULTIARCH "."' > $(SINGLE)/lua/lua5.4-deb-multiarch.h && \
  sed -i 's/  ts->u.lnglen = l;/&\n  ts->shrlen = 0xFF;/' $(SINGLE)/lua/lstring.c && \
  grep -q 'shrlen = 0xFF' $(SINGLE)/lua/lstring.c && \
  cp $(CJSON_C) $(PORTS)/src/lua-cjson/*.h $(SINGLE)/cjson && \
  $(LUA) spec/ports/embed.lua $(SINGLE_LUA) > $(SINGLE)/embedded.c
.PHONY: single
single: deps ## Build camb as one file with a Lua of its own, and use it in hosts.
	$(call install-packages,$(PORT_PACKAGES))
	@$(AGAIN) all
	@$(SINGLE_SOURCES)
	@$(AGAIN) core BUILD=$(SINGLE)/camb LUA=lua5.4 LUA_CFLAGS=-I$(SINGLE)/lua
	@echo '{ global: luaopen_camb; local: *; };' > $(SINGLE)/exports
	@$(CC) -std=gnu11 -w -O2 -fPIC -fvisibility=hidden -DLUA_USE_POSIX \
	  -I$(SINGLE)/lua -Icsrc -shared -Wl,--version-script=$(SINGLE)/exports \
	  -o $(SINGLE)/camb.so csrc/single/host.c $(SINGLE_C) \
	  $(SINGLE)/camb/obj/lua5.4/*/*.o $(CORE_LIBS) -lpthread -lm -ldl
	@spec/ports/single.sh $(SINGLE) $(SOURCE) && \
	  $(call with-sandbox,spec/ports/single-use.sh $(SINGLE) $$url $$work)

# Specs of the client that start no shell of their own: they run on another system,
# with sandboxes on this one.
REMOTE_SPECS = $(patsubst %,spec/%_spec.lua,api cancel client errors gathering \
  money scheduler)

REMOTE_PACKAGES = lua-busted lua-cqueues lua-luaossl

# Windows has those with a shell and peers, too, by processes on this one.
WIN_SPECS = $(REMOTE_SPECS) $(patsubst %,spec/%_spec.lua,batch download parts \
  partfile source stems submit wait)

# Windows: the client as a DLL for lua54.dll, one for the lua51.dll of LuaJIT, and
# one with a Lua of its own; libcurl with Schannel.  Both Luas are built as well,
# and all of it runs under Wine.
WIN        = $(PORTS)/windows
WIN_CC     = x86_64-w64-mingw32-gcc
WIN_ZIP    = $(PORTS)/camb-$(VERSION)-windows-x86_64.zip
WIN_C      = $(filter-out $(addprefix csrc/core/,hidden.c inherit.c \
  watchdog.c worker.c) csrc/binding/paths.c,$(CORE_C)) \
  $(filter-out %/host.c,$(wildcard csrc/win/*.c))
WIN_CFLAGS = -std=gnu11 -O2 -Wall -Wextra -Wpedantic -Wshadow -Werror \
  -Wno-attributes -Wno-sign-compare -D_FILE_OFFSET_BITS=64 -D_CRT_RAND_S \
  -D__USE_MINGW_ANSI_STDIO=1 -DCURL_STATICLIB -Icsrc/win/include -Icsrc \
  -I$(WIN)/include -include csrc/win/port.h
WIN_LIBS   = $(WIN)/lib/libcurl.a -lws2_32 -lcrypt32 -lbcrypt -lwinpthread
JIT_SRC    = $(PORTS)/src/luajit/src
WIN_LINK   = $(WIN_CC) -shared -s -static -Wl,--no-insert-timestamp
CJSON_WIN  = $(WIN_CC) -w -O2 -shared -s -static -DDISABLE_INVALID_NUMBERS $(CJSON_C)
# $(call win-objects,FOLDER,HEADERS OF LUA)
win-objects = mkdir -p $(WIN)/$(1)/obj $(WIN)/$(1)/camb && \
  printf '%s\n' $(WIN_C) | xargs -P $(CORES) -I{} sh -c '$(WIN_CC) $(WIN_CFLAGS) \
  -I$(2) -c {} -o $(WIN)/$(1)/obj/$$(echo {} | tr / _).o'
# $(call win-module,FOLDER,HEADERS OF LUA,DLL OF LUA)
win-module = $(call win-objects,$(1),$(2)) && \
  $(WIN_LINK) -o $(WIN)/$(1)/camb/core.dll $(WIN)/$(1)/obj/*.o $(WIN)/core.def \
  $(3) $(WIN_LIBS) && $(CJSON_WIN) -I$(2) -o $(WIN)/$(1)/cjson.dll $(3)

.PHONY: windows windows-build
windows-build: deps
	$(call install-packages,$(PORT_PACKAGES) gcc-mingw-w64-x86-64 wine64 zip unzip \
	  $(REMOTE_PACKAGES))
	@$(AGAIN) all $(SUPPORT_SO)
	@$(SOURCES) && $(SOURCE) luajit
	@$(call curl,windows,--host=x86_64-w64-mingw32 --with-schannel)
	@echo 'EXPORTS luaopen_camb_core' > $(WIN)/core.def
	@echo 'EXPORTS luaopen_camb' > $(WIN)/camb.def
	@mkdir -p $(WIN)/bin
	@[ -e $(WIN)/bin/lua54.dll ] || $(WIN_CC) -w -O2 -s -DLUA_BUILD_AS_DLL -shared \
	  -o $(WIN)/bin/lua54.dll $(LUA_LIB_C)
	@[ -e $(WIN)/bin/lua.exe ] || $(WIN_CC) -w -O2 -s -DLUA_BUILD_AS_DLL \
	  -o $(WIN)/bin/lua.exe $(LUA_SRC)/lua.c $(WIN)/bin/lua54.dll
	@[ -e $(WIN)/bin/lua51.dll ] || { $(MAKE) -j$(CORES) -C $(JIT_SRC) HOST_CC=gcc \
	  CROSS=x86_64-w64-mingw32- TARGET_SYS=Windows > $(WIN)/log 2>&1 && \
	  cp $(JIT_SRC)/luajit.exe $(JIT_SRC)/lua51.dll $(WIN)/bin; } || { \
	  tail $(WIN)/log; false; }
	@$(call win-module,lua54,$(LUA_SRC),$(WIN)/bin/lua54.dll)
	@$(call win-module,lua51,$(JIT_SRC),$(WIN)/bin/lua51.dll)
	@$(SINGLE_SOURCES)
	@$(WIN_CC) -w -O2 -DLUA_COMPAT_5_3 -s -o $(WIN)/bin/host.exe spec/ports/host.c \
	  -I$(LUA_SRC) $(LUA_LIB_C)
	@mkdir -p $(WIN)/single && for f in $(SINGLE_C) csrc/win/host.c; do \
	  $(WIN_CC) -w $(filter-out -W%,$(WIN_CFLAGS)) -I$(SINGLE)/lua -c $$f \
	  -o $(WIN)/single/$$(basename $$f).o || exit 1; done
	@$(WIN_LINK) -o $(WIN)/camb.dll $(WIN)/single/*.o $(WIN)/lua54/obj/*.o \
	  $(WIN)/camb.def $(WIN_LIBS)
	@rm -rf $(WIN)/zip && mkdir -p $(WIN)/zip/camb/lua54/camb $(WIN)/zip/camb/lua51/camb
	@for v in lua51 lua54; do cp $(WIN)/$$v/camb/core.dll $(WIN)/zip/camb/$$v/camb && \
	  cp $(WIN)/$$v/cjson.dll $(WIN)/zip/camb/$$v || exit 1; done
	@cp $(WIN)/camb.dll spec/ports/windows/load.lua spec/ports/windows/README.txt \
	  LICENSE $(WIN)/zip/camb
	@for f in $(CORE_LUA); do mkdir -p $(WIN)/zip/camb/$$(dirname $$f) && \
	  cp $$f $(WIN)/zip/camb/$$f || exit 1; done
	@rm -f $(WIN_ZIP) && cd $(WIN)/zip && zip -q -r -X $(WIN_ZIP) camb
	@ls -l $(WIN_ZIP)
windows: windows-build ## Write build/ports/camb-…-windows-x86_64.zip; use it by Wine.
	@$(call with-sandbox,spec/ports/windows/use.sh $(WIN) $(WIN_ZIP) $$url $$work)
	@HERE_CPATH="$(abspath $(MODULES))/?.so" spec/ports/windows/specs.sh $(WIN) \
	  $(WIN_SPECS)

# Other processors: cross-built with Debian's packages for them beside this system,
# and run by qemu.
CROSS_PACKAGES = lua5.4 liblua5.4-dev lua-cjson lua-argparse libcurl4-openssl-dev \
  ca-certificates lua-filesystem lua-term lua-system
# $(call cross,ARCHITECTURE,TRIPLET,QEMU)
cross = $(call cross-build,$(1),$(2)) && echo "== $(1)" && \
  $(call with-sandbox,env LUA_PATH="lua/?.lua;lua/?/init.lua;;" \
  LUA_CPATH="$(PORTS)/$(1)-camb/lib/lua5.4/?.so;;" timeout 500 $(3) \
  -L $(PORTS)/$(1) $(PORTS)/$(1)/usr/bin/lua5.4 spec/ports/check.lua $$url port \
  $$work spec/fixtures/mix.flac) && HERE_CPATH="$(abspath $(MODULES))/?.so" \
  LUA_PATH="lua/?.lua;lua/?/init.lua;./?.lua;;" \
  LUA_CPATH="$(PORTS)/$(1)-camb/lib/lua5.4/?.so;;" spec/ports/remote/run.sh \
  "$(3) -L $(PORTS)/$(1) $(PORTS)/$(1)/usr/bin/lua5.4" $(REMOTE_SPECS)
cross-build = spec/ports/sysroot.sh $(PORTS) $(1) $(CROSS_PACKAGES) && \
  $(AGAIN) core BUILD=$(PORTS)/$(1)-camb LUA=lua5.4 EXTRA_CFLAGS=-Werror \
  CC="$(2)-gcc --sysroot=$(PORTS)/$(1)" LUA_CFLAGS=-I$(PORTS)/$(1)/usr/include/lua5.4 \
  CORE_CFLAGS= CORE_LIBS=-lcurl
.PHONY: cross
cross: deps ## Build for arm64 and i386, and use that by qemu.
	$(call install-packages,$(PORT_PACKAGES) gcc-aarch64-linux-gnu \
	  gcc-i686-linux-gnu qemu-user $(REMOTE_PACKAGES))
	@$(AGAIN) all $(SUPPORT_SO)
	@$(call cross,arm64,aarch64-linux-gnu,qemu-aarch64)
	@$(call cross,i386,i686-linux-gnu,qemu-i386)
