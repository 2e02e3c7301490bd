# SPDX-License-Identifier: Apache-2.0
"""Spack recipe: put this folder into a repository of your own as packages/flowcron, then, from a checkout of FlowCron,
`spack dev-build flowcron@0.1.0` builds and installs what is checked out. libsystemd has to fit the machine's systemd:
`spack external find systemd` has that one used."""

from spack.package import CMakePackage, depends_on, license, version


class Flowcron(CMakePackage):
    """Function-as-a-service for HPC clusters: a folder goes in, results come out. A researcher uploads a folder through
    Globus; FlowCron checks it, hands its script to Slurm, follows the job and files the folder with its results."""

    license("Apache-2.0")

    version("0.1.0")

    depends_on("c", type="build")
    depends_on("cmake@3.18:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("systemd@239:")
    depends_on("cjson@1.7.14:")
    depends_on("libyaml@0.1.7:")
    depends_on("util-linux-uuid@2.32:")
    depends_on("curl@7.61:")

    def cmake_args(self):
        return [self.define("FLOWCRON_TESTS", False)]
