# One interface target that every target of ours links: warnings, sanitizers and the include root.
add_library(ember_flags INTERFACE)
target_include_directories(ember_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_definitions(ember_flags INTERFACE EMBER_VERSION="${PROJECT_VERSION}" _GNU_SOURCE)
target_compile_options(ember_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror=return-type -Wno-missing-field-initializers -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # GNU statement expressions are what ASSIGN_OR_RETURN-like macros of the tests use.
  target_compile_options(ember_flags INTERFACE
    -Wthread-safety -Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments)
endif()
if(EMBER_WERROR)
  target_compile_options(ember_flags INTERFACE -Werror)
endif()

# The sanitizers alone, for generated code, too: an inline function of a header that one object has without them would do for
# all others at the linker's choice.
add_library(ember_sanitizers INTERFACE)
target_link_libraries(ember_flags INTERFACE ember_sanitizers)
if(EMBER_SANITIZE)
  target_compile_options(ember_sanitizers INTERFACE
    -fsanitize=${EMBER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(ember_sanitizers INTERFACE -fsanitize=${EMBER_SANITIZE})
  # EMBER_SANITIZED_ADDRESS, EMBER_SANITIZED_THREAD, ...: for the few places that must know.
  string(TOUPPER "${EMBER_SANITIZE}" sanitizers)
  string(REPLACE "," ";" sanitizers "${sanitizers}")
  list(TRANSFORM sanitizers PREPEND EMBER_SANITIZED_)
  target_compile_definitions(ember_flags INTERFACE EMBER_SANITIZED ${sanitizers})
endif()

# Precompiled headers and ccache do not go together: presets with the one leave EMBER_CCACHE empty. The base directory lets
# another clone, such as the one that CI makes, find what this one compiled.
find_program(EMBER_CCACHE ccache)
if(EMBER_CCACHE)
  foreach(language C CXX)
    set(CMAKE_${language}_COMPILER_LAUNCHER
        env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${EMBER_CCACHE}")
  endforeach()
endif()
find_program(EMBER_MOLD mold)
if(EMBER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
