-- The local server behind `camb serve` and `camb separate --sandbox`.
-- From a checkout: luarocks --lua-version=5.4 make camb-sandbox-dev-1.rockspec
package = "camb-sandbox"
version = "dev-1"
source = { url = "git+file://." } -- a checkout is the only source so far
description = {
  summary = "A local server that speaks CAMB.AI's audio separation API",
  detailed = [[
    It takes uploads, really separates them by an engine of its own, and
    serves the stems: for tests, demonstrations and work without an account.]],
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.1", "camb" }
-- Without headers, for the reason that camb-dev-1.rockspec gives.
external_dependencies = {
  MICROHTTPD = { library = "microhttpd" },
  JANSSON = { library = "jansson" },
  GNUTLS = { library = "gnutls" },
  ZLIB = { library = "z" },
  AVFORMAT = { library = "avformat" },
  AVCODEC = { library = "avcodec" },
  SWRESAMPLE = { library = "swresample" },
  AVUTIL = { library = "avutil" },
}

local variables = {
  BUILD = "build/rock$(LUA_INCDIR)",
  CC = "$(CC)",
  CFLAGS = "$(CFLAGS)",
  SHARED = "$(LIBFLAG)",
  LUA = "$(LUA)",
  LUA_CFLAGS = "-I$(LUA_INCDIR)",
  SANDBOX_CFLAGS = "-I$(MICROHTTPD_INCDIR) -I$(JANSSON_INCDIR) "
    .. "-I$(GNUTLS_INCDIR) -I$(ZLIB_INCDIR) "
    .. "-I$(AVFORMAT_INCDIR) -I$(AVCODEC_INCDIR) -I$(SWRESAMPLE_INCDIR) "
    .. "-I$(AVUTIL_INCDIR)",
  SANDBOX_LIBS = "-L$(MICROHTTPD_LIBDIR) -lmicrohttpd "
    .. "-L$(JANSSON_LIBDIR) -ljansson "
    .. "-L$(GNUTLS_LIBDIR) -lgnutls -L$(ZLIB_LIBDIR) -lz "
    .. "-L$(AVFORMAT_LIBDIR) -lavformat "
    .. "-L$(AVCODEC_LIBDIR) -lavcodec -L$(SWRESAMPLE_LIBDIR) -lswresample "
    .. "-L$(AVUTIL_LIBDIR) -lavutil",
  LUA_SHARE = "$(LUADIR)",
  LUA_LIB = "$(LIBDIR)",
}

build = {
  type = "make",
  build_target = "sandbox",
  install_target = "install-sandbox",
  build_variables = variables,
  install_variables = variables,
}
