# SPDX-License-Identifier: Apache-2.0
# The libraries, each with the lowest version relied on: those of RHEL 8 and its EPEL. README.md repeats this table.
find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd>=239)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7.14)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1>=0.1.7)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.61)
pkg_check_modules(UUID REQUIRED IMPORTED_TARGET uuid>=2.32)
if(FLOWCRON_TESTS)
        pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka>=1.1.0)
endif()
