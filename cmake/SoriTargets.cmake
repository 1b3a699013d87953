# Flags shared by everything, and the two functions that keep src/CMakeLists.txt and tests/CMakeLists.txt to a line a folder.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(SORI_SANITIZE "" CACHE STRING "sanitizers, as in -fsanitize=")
option(SORI_WERROR "warnings are errors" OFF)

find_program(SORI_CCACHE ccache)
if(SORI_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${SORI_CCACHE})
endif()

find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc icu-i18n)
pkg_check_modules(SNDFILE REQUIRED IMPORTED_TARGET sndfile)
pkg_check_modules(SOXR REQUIRED IMPORTED_TARGET soxr)
pkg_check_modules(TOML REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)

# Debian's dnnl-config.cmake asks for OpenCL headers that its package does not bring, so the library is found by hand.
find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(sori_dnnl INTERFACE)
target_include_directories(sori_dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(sori_dnnl INTERFACE ${DNNL_LIBRARY})

# kissfft's C++ class is a header alone, in double too; only its C library is bound to one precision.
find_path(KISSFFT_INCLUDE_DIR kissfft.hh PATH_SUFFIXES kissfft REQUIRED)
add_library(sori_kissfft INTERFACE)
target_include_directories(sori_kissfft SYSTEM INTERFACE ${KISSFFT_INCLUDE_DIR})

# The headers alone: Debian's eigen3-config.cmake would do, but so does this, without a second way to find a library.
find_path(EIGEN_INCLUDE_DIR Eigen/QR PATH_SUFFIXES eigen3 REQUIRED)
add_library(sori_eigen INTERFACE)
target_include_directories(sori_eigen SYSTEM INTERFACE ${EIGEN_INCLUDE_DIR})

add_library(sori_flags INTERFACE)
target_include_directories(sori_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(sori_flags INTERFACE SORI_VERSION="${PROJECT_VERSION}")
# -ffp-contract=off: a sum rounds the same way in every build, so results do not depend on what the compiler fuses.
target_compile_options(sori_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -ffp-contract=off)
if(SORI_WERROR)
  target_compile_options(sori_flags INTERFACE -Werror)
endif()
if(SORI_SANITIZE)
  target_compile_options(sori_flags INTERFACE -fsanitize=${SORI_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1 -O1)
  target_link_options(sori_flags INTERFACE -fsanitize=${SORI_SANITIZE})
else()
  target_compile_options(sori_flags INTERFACE -fstack-protector-strong)
  target_compile_definitions(sori_flags INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
  target_link_options(sori_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
target_link_libraries(sori_flags INTERFACE fmt::fmt nlohmann_json::nlohmann_json OpenMP::OpenMP_CXX Threads::Threads)

# One precompiled header for the library, one for the tests: the heavy headers are parsed once.
add_library(sori_pch STATIC ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
target_link_libraries(sori_pch PUBLIC sori_flags)
target_precompile_headers(sori_pch PRIVATE <algorithm> <array> <cmath> <cstdint> <cstring> <filesystem> <functional> <map>
                          <memory> <optional> <span> <string> <string_view> <variant> <vector> <fmt/format.h> <nlohmann/json.hpp>)

# sori_library(audio DEPENDS base tensor LIBS PkgConfig::SOXR): every .cpp below src/audio; DEPENDS in the words of docs/layers.txt.
function(sori_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  if(sources)
    add_library(sori_${name} STATIC ${sources})
    target_precompile_headers(sori_${name} REUSE_FROM sori_pch)
    set(scope PUBLIC)
  else()
    add_library(sori_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(sori_${name} ${scope} sori_flags ${ARG_LIBS})
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(sori_${name} ${scope} sori_${dependency})
  endforeach()
endfunction()

# sori_tests(audio LABEL fast DEPENDS audio): every *_test.cpp in tests/audio, one binary, one CTest entry a test.
function(sori_tests name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*_test.cpp)
  if(NOT sources)
    message(FATAL_ERROR "tests/${name} has no *_test.cpp: a tier without tests would pass")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name}_tests ${sources})
  target_precompile_headers(${name}_tests REUSE_FROM sori_test_pch)
  target_include_directories(${name}_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name}_tests PRIVATE sori_flags GTest::gtest_main GTest::gmock)
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(${name}_tests PRIVATE sori_${dependency})
  endforeach()
  target_compile_definitions(${name}_tests PRIVATE SORI_SOURCE_DIR="${PROJECT_SOURCE_DIR}" SORI_BINARY="$<TARGET_FILE:sori>")
  # passive: threads that spin while they wait take ten times as long when several tests share the cores.
  gtest_discover_tests(${name}_tests DISCOVERY_MODE PRE_TEST
                       PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT OMP_WAIT_POLICY=passive)
endfunction()
