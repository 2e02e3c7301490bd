# SPDX-License-Identifier: Apache-2.0
# Run by `cmake --install`: writes the service files for the prefix in use and installs them where systemd looks.
string(REGEX REPLACE "/+$" "" prefix "${CMAKE_INSTALL_PREFIX}")
if(IS_ABSOLUTE "${FLOWCRON_BINDIR}")
        set(FLOWCRON_FULL_BINDIR "${FLOWCRON_BINDIR}")
else()
        set(FLOWCRON_FULL_BINDIR "${prefix}/${FLOWCRON_BINDIR}")
endif()
# systemd.unit(5): a percent sign begins a specifier.
string(REPLACE "%" "%%" FLOWCRON_FULL_BINDIR "${FLOWCRON_FULL_BINDIR}")

# systemd.unit(5), "User Unit Search Path": ~/.local/share, but lib below the system's prefixes.
string(FIND "${prefix}/" "$ENV{HOME}/" home)
if(home EQUAL 0 AND NOT "$ENV{HOME}" STREQUAL "")
        set(unitdir "${prefix}/share/systemd/user")
else()
        set(unitdir "${prefix}/lib/systemd/user")
endif()

set(INSTANCE_WORD default)
configure_file("${FLOWCRON_UNITS}/flowcron.service.in" "${FLOWCRON_UNITS_BUILD}/flowcron.service" @ONLY)
set(INSTANCE_WORD "%i")
configure_file("${FLOWCRON_UNITS}/flowcron.service.in" "${FLOWCRON_UNITS_BUILD}/flowcron@.service" @ONLY)
file(INSTALL "${FLOWCRON_UNITS_BUILD}/flowcron.service" "${FLOWCRON_UNITS_BUILD}/flowcron@.service"
        DESTINATION "${unitdir}")
