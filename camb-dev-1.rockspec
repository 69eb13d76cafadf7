-- The client: it links libcurl and nothing else.
-- From a checkout: luarocks --lua-version=5.4 make camb-dev-1.rockspec
package = "camb"
version = "dev-1"
source = { url = "git+file://." } -- a checkout is the only source so far
description = {
  summary = "Separate recordings into foreground and background with CAMB.AI",
  detailed = [[
    Uploads a mixture to CAMB.AI's audio separation, waits for its task and
    downloads the two stems: one file in one call, or many at once.]],
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.1", "lua-cjson", "argparse >= 0.7" }
-- No header: LuaRocks would look for it in /usr/include itself only, and
-- Debian keeps it one folder further down, where the compiler finds it.
external_dependencies = { CURL = { library = "curl" } }

-- Neither by make, which not every system has as GNU's, nor by LuaRocks' own
-- "builtin", which shows all symbols to the host, writes beside the sources, and
-- copies the other product's modules too.
build = {
  type = "command",
  build_command = "mkdir -p build && $(CC) $(CFLAGS) $(LIBFLAG) "
    .. "-fvisibility=hidden -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Icsrc "
    .. "-I$(LUA_INCDIR) -I$(CURL_INCDIR) -o build/rock.so csrc/core/*.c "
    .. "csrc/binding/*.c -L$(CURL_LIBDIR) -Wl,-rpath,$(CURL_LIBDIR) -lcurl "
    .. "-lpthread",
  install_command = "mkdir -p $(LUADIR) $(LIBDIR)/camb && "
    .. "cp build/rock.so $(LIBDIR)/camb/core.so && "
    .. "cp -R lua/. $(LUADIR) && cd $(LUADIR)/camb && "
    .. "rm -r sandbox sandbox.lua audio.lua",
  install = { bin = { camb = "lua/camb/cli/command.lua" } },
}
