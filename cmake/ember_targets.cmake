# PRECOMPILED names the headers of ember_precompiled() that a target is compiled with; each kind has its own by default.

# ember_library(NAME SOURCES ... DEPS ... [PRECOMPILED ...]): one concept, one static library.
function(ember_library NAME)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;DEPS" ${ARGN})
  add_library(${NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(${NAME} PUBLIC ember_flags ${ARG_DEPS})
  ember_use_precompiled(${NAME} ember_common_headers ${ARG_PRECOMPILED})
endfunction()

# ember_program(NAME SOURCES ... DEPS ... [STATIC] [PRECOMPILED ...]): STATIC links a program that needs no library at run time.
function(ember_program NAME)
  cmake_parse_arguments(ARG "STATIC" "PRECOMPILED" "SOURCES;DEPS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ember_flags ${ARG_DEPS})
  if(ARG_PRECOMPILED)
    ember_use_precompiled(${NAME} ${ARG_PRECOMPILED})
  endif()
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
  if(ARG_STATIC AND NOT EMBER_SANITIZE)
    # -no-pie: a static program of ours starts without relocating itself.
    target_link_options(${NAME} PRIVATE -static -no-pie)
  endif()
endfunction()

# ember_test(NAME SOURCES ... DEPS ... [LABELS ...] [PRECOMPILED ...]): one Catch2 program of a folder's tests.
function(ember_test NAME)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ember_flags catch_main ${ARG_DEPS})
  ember_use_precompiled(${NAME} ember_test_headers ${ARG_PRECOMPILED})
  # What a test of the programs does takes no time in the test itself, and compiling is what a run waits for.
  target_compile_options(${NAME} PRIVATE $<$<CONFIG:Release>:-O0>)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  add_test(NAME ${NAME} COMMAND ${NAME})
  set_tests_properties(${NAME} PROPERTIES LABELS "${ARG_LABELS}")
endfunction()

# ember_fuzz(NAME SOURCES ... DEPS ...): a libFuzzer program; its corpus is tests/fuzz/corpus/NAME.
function(ember_fuzz NAME)
  if(NOT EMBER_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ember_flags ${ARG_DEPS})
  target_compile_options(${NAME} PRIVATE -fsanitize=fuzzer)
  target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
endfunction()
