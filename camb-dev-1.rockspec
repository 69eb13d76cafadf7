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
dependencies = { "lua >= 5.1", "lua-cjson", "argparse" }
-- No header: LuaRocks would look for it in /usr/include itself only, and
-- Debian keeps it one folder further down, where the compiler finds it.
external_dependencies = { CURL = { library = "curl" } }

-- Objects of one Lua must not meet those of another, so its headers name the
-- folder.
local variables = {
  BUILD = "build/rock$(LUA_INCDIR)",
  CC = "$(CC)",
  CFLAGS = "$(CFLAGS)",
  SHARED = "$(LIBFLAG)",
  LUA = "$(LUA)",
  LUA_CFLAGS = "-I$(LUA_INCDIR)",
  CORE_CFLAGS = "-I$(CURL_INCDIR)",
  CORE_LIBS = "-L$(CURL_LIBDIR) -lcurl",
  LUA_SHARE = "$(LUADIR)",
  LUA_LIB = "$(LIBDIR)",
}

-- By the Makefile, as LuaRocks' own "builtin" copies all of lua/ into a rock,
-- the other product's modules too.
build = {
  type = "make",
  build_target = "core",
  install_target = "install-core",
  build_variables = variables,
  install_variables = variables,
  install = { bin = { camb = "lua/camb/cli/command.lua" } },
}
