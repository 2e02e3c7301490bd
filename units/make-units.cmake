# SPDX-License-Identifier: Apache-2.0
# Makes and installs the units. flowcron.service is the instance `default`; flowcron@NAME.service the instance NAME: one
# text for both.
if(NOT IS_ABSOLUTE "${bindir}")
        set(bindir "${CMAKE_INSTALL_PREFIX}/${bindir}")
endif()
# What systemd would read as more than a character of the path.
string(REPLACE "\\" "\\\\" quoted "${bindir}")
string(REPLACE "\"" "\\\"" quoted "${quoted}")
string(REPLACE "%" "%%" quoted "${quoted}")
string(REPLACE "$" "$$" quoted "${quoted}")
if(DEFINED ENV{FLOWCRON_RELOCATABLE})
        # For a tarball: wherever the home is, it is unpacked into .local there.
        set(quoted "%h/.local/bin")
endif()
set(FLOWCROND "${quoted}/flowcrond")
set(FLOWCRONCTL "${quoted}/flowcronctl")

set(unitdir "${CMAKE_INSTALL_PREFIX}/lib/systemd/user")
string(FIND "${CMAKE_INSTALL_PREFIX}/" "$ENV{HOME}/" below_home)
if((below_home EQUAL 0 AND NOT "$ENV{HOME}" STREQUAL "") OR DEFINED ENV{FLOWCRON_RELOCATABLE})
        # Without root: where `systemctl --user` looks for units that came with software in the home folder.
        set(unitdir "${CMAKE_INSTALL_PREFIX}/share/systemd/user")
endif()

foreach(unit default:flowcron.service %i:flowcron@.service)
        string(REPLACE ":" ";" unit "${unit}")
        list(GET unit 0 INSTANCE_WORD)
        list(GET unit 1 name)
        message(STATUS "Installing: $ENV{DESTDIR}${unitdir}/${name}")
        configure_file("${template}" "$ENV{DESTDIR}${unitdir}/${name}" @ONLY)
        list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${unitdir}/${name}")
endforeach()
