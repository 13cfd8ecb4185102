# Precompiled headers, for builds that only tests want (EMBER_PRECOMPILED in CMakePresets.json). The other presets do without,
# so a source that forgets one of its own includes fails there.
option(EMBER_PRECOMPILED "precompile the headers that most sources share (clang only: g++ gains little)" OFF)

set(EMBER_COMMON_HEADERS
  <algorithm> <atomic> <chrono> <condition_variable> <cstdint> <filesystem> <functional> <map> <memory> <mutex> <optional>
  <span> <string> <string_view> <thread> <utility> <variant> <vector>
  <absl/status/status.h> <absl/status/statusor.h> <absl/time/clock.h> <absl/time/time.h> <fmt/format.h>)

# ember_precompiled(NAME HEADERS ... DEPS ...): a library of nothing but precompiled headers.
function(ember_precompiled NAME)
  if(NOT EMBER_PRECOMPILED)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "HEADERS;DEPS" ${ARGN})
  set(source "${CMAKE_BINARY_DIR}/${NAME}.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "// What CMake compiles the headers for.\n")
  add_library(${NAME} OBJECT "${source}")
  target_link_libraries(${NAME} PRIVATE ember_flags ${ARG_DEPS})
  target_precompile_headers(${NAME} PRIVATE ${EMBER_COMMON_HEADERS} ${ARG_HEADERS})
endfunction()

# ember_use_precompiled(TARGET NAME): compiles the target with the headers of ember_precompiled(NAME), if those exist.
function(ember_use_precompiled TARGET NAME)
  if(TARGET ${NAME})
    target_precompile_headers(${TARGET} REUSE_FROM ${NAME})
  endif()
endfunction()
