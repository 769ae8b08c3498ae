# How every target of the project is compiled, and one function per kind of target.
#
# No precompiled headers: GCC's have a hundred MB each, hide missing includes and bypass ccache
# unless its user says otherwise (docs/building.md has the figures).
if(PROJECT_IS_TOP_LEVEL)
  find_program(SLUICE_CCACHE ccache)
  foreach(language CXX CUDA)
    if(SLUICE_CCACHE AND NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${SLUICE_CCACHE})
    endif()
  endforeach()
endif()

add_library(sluice_options INTERFACE)
target_compile_options(sluice_options INTERFACE -Wall -Wextra -Wshadow -Wno-unknown-pragmas)
# GCC 12 sees overflows and overlaps in std::string's operator+ and in protobuf 3.21's headers that
# are not there (GCC bugs 105329 and 105651).
target_compile_options(sluice_options INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds -Wno-stringop-overflow -Wno-restrict>)
if(SLUICE_WERROR)
  target_compile_options(sluice_options INTERFACE -Werror)
endif()
# Every function that uses wider vectors asks for them itself (core/simd.h); the rest runs on any
# x86-64 of the last fifteen years.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(sluice_options INTERFACE -march=x86-64-v2)
endif()
if(SLUICE_SANITIZE)
  # Lines for stack traces, compressed: uncompressed they are most of the build folder.
  target_compile_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE}
                         -fno-omit-frame-pointer -g1 -gz -fno-sanitize-recover=all)
  # Undefined behaviour is looked for by tables full of pointers, each of which a program that can
  # be loaded anywhere lists once more: a fourth of its size.
  target_link_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE} -gz
                      $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
  # Instrumented code looks uninitialised to GCC (std::function in <regex>, among others).
  target_compile_options(sluice_options INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_compile_definitions(sluice_options INTERFACE SLUICE_SANITIZED=1)
endif()
if(PROJECT_IS_TOP_LEVEL)  # links thirty programs in a tenth of the time
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=lld SLUICE_HAS_lld)
  if(SLUICE_HAS_lld)
    target_link_options(sluice_options INTERFACE -fuse-ld=lld)
  endif()
endif()
target_include_directories(sluice_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)

# The folders' libraries only list their objects, which are on the disk once.
set(SLUICE_WHOLE_ARCHIVE_CREATE ${CMAKE_CXX_ARCHIVE_CREATE})
set(CMAKE_CXX_ARCHIVE_CREATE "<CMAKE_AR> qcT <TARGET> <LINK_FLAGS> <OBJECTS>")

# sluice_library(NAME SOURCES a.cc b.cc DEPENDS sluice_core ... PRIVATE_DEPENDS DNNL::dnnl ...)
# One static library per folder of src/; what it DEPENDS on is exactly what the folder may include.
function(sluice_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sluice_options)
  target_include_directories(${name} PUBLIC
                             ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
  set_property(GLOBAL APPEND PROPERTY SLUICE_OBJECTS $<TARGET_OBJECTS:${name}>)
  sluice_unity(${name})
  set(third_party ${ARG_DEPENDS} ${ARG_PRIVATE_DEPENDS})
  list(FILTER third_party EXCLUDE REGEX "^sluice_")
  set_property(GLOBAL APPEND PROPERTY SLUICE_THIRD_PARTY ${third_party})
endfunction()
