# Builds for another system with zig's clang, C libraries, libc++ and lld (PyPI: ziglang). scripts/prebuild gives
#
#   LATENT_TARGET   a zig triple such as x86_64-linux-gnu.2.17, aarch64-macos.11.0 or x86_64-windows-gnu
#   LATENT_TOOLS    a folder with the programs c++, ar, ranlib, rc and install_name_tool, each of which runs zig
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LATENT_TARGET LATENT_TOOLS)
string(REGEX MATCH "^([^-]+)-([a-z]+)" triple ${LATENT_TARGET})
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
if(CMAKE_MATCH_2 STREQUAL "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  set(CMAKE_OSX_SYSROOT "")
  set(CMAKE_OSX_DEPLOYMENT_TARGET "")
  set(CMAKE_INSTALL_NAME_TOOL ${LATENT_TOOLS}/install_name_tool)
elseif(CMAKE_MATCH_2 STREQUAL "windows")
  set(CMAKE_SYSTEM_NAME Windows)
  set(CMAKE_RC_COMPILER ${LATENT_TOOLS}/rc)
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()
# Names of what is not exported are left out while linking: a file for macOS is signed then, and changing it later voids that.
set(LIBRARY_LINK_OPTIONS -s)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  # Without zig's own runtime library, whose memcpy, memset and mathematical functions would take the place of libc's, and
  # are slower. What else it has, the addon doesn't use here.
  list(APPEND LIBRARY_LINK_OPTIONS -rtlib=none)
endif()
add_link_options("$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,SHARED_LIBRARY>:${LIBRARY_LINK_OPTIONS}>")
set(CMAKE_CXX_COMPILER ${LATENT_TOOLS}/c++)
set(CMAKE_AR ${LATENT_TOOLS}/ar CACHE FILEPATH "")
set(CMAKE_RANLIB ${LATENT_TOOLS}/ranlib CACHE FILEPATH "")

# What CMake finds out by linking programs is told instead: zig would build a second, unoptimised libc++ for them.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_CXX_COMPILER_ID_RUN 1)
set(CMAKE_CXX_COMPILER_ID Clang)
set(CMAKE_CXX_COMPILER_VERSION 22.1)
set(CMAKE_CXX_COMPILER_FRONTEND_VARIANT GNU)
set(CMAKE_CXX_STANDARD_COMPUTED_DEFAULT 17)
set(CMAKE_CXX_EXTENSIONS_COMPUTED_DEFAULT ON)
set(CMAKE_HAVE_LIBC_PTHREAD 1)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
