# Every library that Ember takes from the system, as one target each. Debian package names stand in packaging/packages.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)

# Abseil comes as static archives, so that static programs (emberd, ember) and dynamic ones link it the same way.
pkg_check_modules(ABSL REQUIRED IMPORTED_TARGET
  absl_status absl_statusor absl_strings absl_time absl_any_invocable absl_cleanup absl_flat_hash_map absl_span absl_inlined_vector)

function(ember_static_archives OUT)
  # Turns the -l words of a pkg-config answer into archives where one exists; keeps the others.
  set(result)
  foreach(word ${ARGN})
    if(word MATCHES "^-labsl_|^-lgrpc|^-lgpr|^-lprotobuf|^-lupb|^-laddress_sorting|^-lre2|^-lcares")
      string(REGEX REPLACE "^-l" "" base "${word}")
      find_library(EMBER_ARCHIVE_${base} NAMES lib${base}.a)
      if(EMBER_ARCHIVE_${base})
        list(APPEND result "${EMBER_ARCHIVE_${base}}")
        continue()
      endif()
    endif()
    list(APPEND result "${word}")
  endforeach()
  list(REMOVE_DUPLICATES result)
  set(${OUT} ${result} PARENT_SCOPE)
endfunction()

# One word for the whole group, so that CMake neither reorders nor drops a member of it.
function(ember_link_group NAME)
  set(words ${ARGN})
  list(FILTER words EXCLUDE REGEX "^-Wl,|^-latomic$")
  list(JOIN words "," group)
  target_link_libraries(${NAME} INTERFACE "-Wl,--start-group,${group},--end-group" Threads::Threads)
endfunction()

ember_static_archives(EMBER_ABSL_LIBS ${ABSL_STATIC_LDFLAGS})
add_library(ember_absl INTERFACE)
ember_link_group(ember_absl ${EMBER_ABSL_LIBS})

find_program(PROTOC protoc REQUIRED)
pkg_check_modules(PROTOBUF REQUIRED protobuf)
find_library(PROTOBUF_LITE_ARCHIVE NAMES libprotobuf-lite.a REQUIRED)
add_library(ember_protobuf_lite INTERFACE)
target_link_libraries(ember_protobuf_lite INTERFACE "${PROTOBUF_LITE_ARCHIVE}" Threads::Threads)

# As an archive, too: `ember` is static.
find_library(YAML_CPP_ARCHIVE NAMES libyaml-cpp.a REQUIRED)
add_library(ember_yaml INTERFACE)
target_link_libraries(ember_yaml INTERFACE "${YAML_CPP_ARCHIVE}")

# As an archive: `emberd` is static.
find_library(ZLIB_ARCHIVE NAMES libz.a REQUIRED)
add_library(ember_zlib INTERFACE)
target_link_libraries(ember_zlib INTERFACE "${ZLIB_ARCHIVE}")

if(EMBER_RPC)
  find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
  pkg_check_modules(GRPC REQUIRED grpc++_unsecure protobuf)
  ember_static_archives(EMBER_GRPC_LIBS ${GRPC_STATIC_LDFLAGS} -lcares -laddress_sorting -lre2 -lupb -lz)
  add_library(ember_grpc INTERFACE)
  # Debian's .pc files leave out some archives and name none in link order: hence the group.
  ember_link_group(ember_grpc ${EMBER_GRPC_LIBS} ${EMBER_ABSL_LIBS})
endif()
