# How every target of the project is compiled, and one function per kind of target.

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
  target_compile_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer -g1
                         -fno-sanitize-recover=all)
  target_link_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE})
  # Instrumented code looks uninitialised to GCC (std::function in <regex>, among others).
  target_compile_options(sluice_options INTERFACE -Wno-maybe-uninitialized)
  target_compile_definitions(sluice_options INTERFACE SLUICE_SANITIZED=1)
endif()
target_include_directories(sluice_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>)

# The standard headers that nearly every source includes, compiled once.
file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cc "")
add_library(sluice_pch STATIC ${CMAKE_BINARY_DIR}/pch/empty.cc)
target_link_libraries(sluice_pch PRIVATE sluice_options)
target_precompile_headers(sluice_pch PRIVATE
  <algorithm> <array> <atomic> <chrono> <cmath> <condition_variable> <cstdint> <cstring> <filesystem>
  <functional> <map> <memory> <mutex> <optional> <span> <sstream> <string> <string_view> <thread>
  <unordered_map> <utility> <variant> <vector>)

# sluice_library(NAME SOURCES a.cc b.cc DEPENDS sluice_core ... PRIVATE_DEPENDS DNNL::dnnl ...)
# One static library per folder of src/; what it DEPENDS on is exactly what the folder may include.
function(sluice_library name)
  cmake_parse_arguments(ARG "NO_PCH" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sluice_options)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
  if(NOT ARG_NO_PCH)
    target_precompile_headers(${name} REUSE_FROM sluice_pch)
  endif()
  set_property(GLOBAL APPEND PROPERTY SLUICE_OBJECTS $<TARGET_OBJECTS:${name}>)
  set(third_party ${ARG_DEPENDS} ${ARG_PRIVATE_DEPENDS})
  list(FILTER third_party EXCLUDE REGEX "^sluice_")
  set_property(GLOBAL APPEND PROPERTY SLUICE_THIRD_PARTY ${third_party})
endfunction()
