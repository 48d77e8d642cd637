# SPDX-License-Identifier: MIT
"""The recipe of libasyncio for Conan 2: `conan create packaging/conan`."""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, rm, rmdir
from conan.tools.layout import basic_layout
from conan.tools.meson import Meson, MesonToolchain


class LibasyncioConan(ConanFile):
    """Builds the library alone, shared or static."""

    name = "libasyncio"
    license = "MIT"
    description = "asyncio for C: event loop, coroutines, tasks, futures, sockets, streams"
    topics = ("asyncio", "coroutines", "event-loop", "io-uring")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": False, "fPIC": True}

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        with open(os.path.join(self._root, "meson.build"), encoding="utf-8") as file:
            self.version = re.search(r"version: '([\d.]+)'", file.read())[1]

    def export_sources(self):
        for pattern in ("meson.build", "meson_options.txt", "include/*", "src/*", "tools/*",
                        "LICENSE"):
            copy(self, pattern, self._root, self.export_sources_folder)

    def configure(self):
        self.settings.rm_safe("compiler.cppstd")
        self.settings.rm_safe("compiler.libcxx")

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("libasyncio runs on Linux only")

    def layout(self):
        basic_layout(self)

    def generate(self):
        toolchain = MesonToolchain(self)
        toolchain.project_options.update({"tests": False, "examples": False, "bench": False})
        toolchain.generate()

    def build(self):
        meson = Meson(self)
        meson.configure()
        meson.build()

    def package(self):
        Meson(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        for folder in ("lib/pkgconfig", "lib/cmake", "share"):
            rmdir(self, os.path.join(self.package_folder, folder))
        libraries = os.path.join(self.package_folder, "lib")
        rm(self, "*.a" if self.options.shared else "*.so*", libraries)

    def package_info(self):
        self.cpp_info.libs = ["asyncio"]
        self.cpp_info.system_libs = ["pthread", "m"]
        self.cpp_info.set_property("cmake_file_name", "libasyncio")
        self.cpp_info.set_property("cmake_target_name", "libasyncio::asyncio")
        self.cpp_info.set_property("pkg_config_name", "libasyncio")
