# SPDX-License-Identifier: Apache-2.0
# -DFLOWCRON_PORTABLE=ON: programs for the tarball, which run with glibc 2.28 or later whatever glibc they were built with, and
# look for the libraries that came along in ../lib/flowcron.
#
# What a newer glibc would bind to newer versions of its symbols goes through lib/portable/glibc-2.28.c instead: at the link
# alone, so that the objects are the same as in any other build.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|aarch64)$")
        message(FATAL_ERROR "FLOWCRON_PORTABLE is known to work on x86_64 and aarch64 only")
endif()
if(FLOWCRON_SANITIZE)
        message(FATAL_ERROR "FLOWCRON_PORTABLE and FLOWCRON_SANITIZE exclude each other")
endif()
add_library(flowcron_portable OBJECT lib/portable/glibc-2.28.c)
target_link_libraries(flowcron_portable PRIVATE flowcron_flags)

set(wrapped __libc_start_main fstat fstatat stat lstat pthread_create pthread_join)
list(TRANSFORM wrapped PREPEND "LINKER:--wrap=")
# Threads had a library of their own before glibc 2.34; since then it is there for old programs.
find_library(LIBPTHREAD_OLD NAMES libpthread.so.0 REQUIRED)
# Debian's libcurl gives its symbols a version, others don't; a program without versions runs with either. So it is linked with a
# library that has the name and the functions, and nothing in them.
file(GLOB sources lib/globus-client*.[ch])
set(stub "")
foreach(source ${sources})
        file(READ ${source} text)
        string(REGEX MATCHALL "curl_[a-z_]+" calls "${text}")
        list(APPEND stub ${calls})
endforeach()
list(REMOVE_DUPLICATES stub)
list(TRANSFORM stub REPLACE "(.+)" "void \\1(void) {}\n")
list(JOIN stub "" stub)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/curl-stub.c "${stub}")
add_library(curl_stub SHARED ${CMAKE_CURRENT_BINARY_DIR}/curl-stub.c)
set_target_properties(curl_stub PROPERTIES OUTPUT_NAME curl SOVERSION 4
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/stub)
set_property(TARGET flowcron_globus PROPERTY INTERFACE_LINK_LIBRARIES libflowcron curl_stub)

foreach(program flowcrond flowcronctl)
        target_link_libraries(${program} PRIVATE flowcron_portable
                -Wl,--no-as-needed ${LIBPTHREAD_OLD} -Wl,--as-needed)
        target_link_options(${program} PRIVATE ${wrapped})
        set_target_properties(${program} PROPERTIES
                INSTALL_RPATH "$ORIGIN/../lib/flowcron" BUILD_WITH_INSTALL_RPATH ON)
endforeach()
