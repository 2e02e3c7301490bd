# SPDX-License-Identifier: Apache-2.0
# Packages for a whole machine, made by `cpack -G DEB` and `cpack -G RPM`; contrib/packaging/package calls them, and makes the
# tarball for a home folder. Both install below /usr, wherever the build itself would go.
set(CPACK_PACKAGE_NAME flowcron)
set(CPACK_PACKAGE_VENDOR "The FlowCron authors")
set(CPACK_PACKAGE_CONTACT "The FlowCron authors <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
        "A researcher uploads a folder through Globus; FlowCron notices that the upload is complete, checks it, hands its
script to Slurm, follows the job, and files the folder where it is fetched: with the results, or with a plain explanation.
flowcrond runs as a user's service (systemctl --user) or from cron; flowcronctl is how people talk to it.")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
# The units are made for the prefix when they are installed, so it must be the real one, below a DESTDIR.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
# Not by the umask of whoever packs.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
        OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "slurm-client")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "acl")

set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE "Apache-2.0")
set(CPACK_RPM_PACKAGE_GROUP "Applications/Engineering")
# Links for debuggers, to a symbol package that there is none of.
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none")
# Folders of the system are not ours to own.
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
        /usr/lib/systemd /usr/lib/systemd/user /usr/lib/systemd/catalog /usr/share/man /usr/share/man/man1
        /usr/share/man/man5 /usr/share/man/man7 /usr/share/man/man8 /usr/share/bash-completion
        /usr/share/bash-completion/completions /usr/share/zsh /usr/share/zsh/site-functions)

include(CPack)
