# Precompiled headers, for builds that only tests want (EMBER_PRECOMPILED in CMakePresets.json). The other presets do without,
# so a source that forgets one of its own includes fails there.
option(EMBER_PRECOMPILED "precompile the headers that most sources share (clang only: g++ gains little)" OFF)

set(EMBER_COMMON_HEADERS
  <algorithm> <atomic> <chrono> <condition_variable> <cstdint> <filesystem> <functional> <map> <memory> <mutex> <optional>
  <span> <string> <string_view> <thread> <utility> <variant> <vector>
  <absl/status/status.h> <absl/status/statusor.h> <absl/time/clock.h> <absl/time/time.h> <fmt/format.h>)
set(EMBER_RPC_HEADERS
  <grpcpp/grpcpp.h> <ember/v1/care_service.grpc.pb.h> <ember/v1/file_service.grpc.pb.h> <ember/v1/forward_service.grpc.pb.h>
  <ember/v1/host_service.grpc.pb.h> <ember/v1/image_service.grpc.pb.h> <ember/v1/process_service.grpc.pb.h>
  <ember/v1/storage_service.grpc.pb.h>)

# ember_precompiled(NAME HEADERS ... DEPS ... [FOR_PROGRAMS]): a library of nothing but precompiled headers, for the sources of
# libraries, or of programs, which CMake compiles with other flags; clang insists on the same.
function(ember_precompiled NAME)
  if(NOT EMBER_PRECOMPILED)
    return()
  endif()
  cmake_parse_arguments(ARG "FOR_PROGRAMS" "" "HEADERS;DEPS" ${ARGN})
  set(source "${CMAKE_BINARY_DIR}/${NAME}.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "// What CMake compiles the headers for.\n")
  add_library(${NAME} OBJECT "${source}")
  target_link_libraries(${NAME} PRIVATE ember_flags ${ARG_DEPS})
  target_precompile_headers(${NAME} PRIVATE ${EMBER_COMMON_HEADERS} ${ARG_HEADERS})
  if(ARG_FOR_PROGRAMS)
    set_target_properties(${NAME} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${NAME} PRIVATE -fPIE)
  endif()
endfunction()

# ember_use_precompiled(TARGET NAME...): compiles the target with the headers of the last ember_precompiled(NAME) that exists.
function(ember_use_precompiled TARGET)
  list(REVERSE ARGN)
  foreach(name ${ARGN})
    if(TARGET ${name})
      target_precompile_headers(${TARGET} REUSE_FROM ${name})
      return()
    endif()
  endforeach()
endfunction()
