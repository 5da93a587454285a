"""Builds the C++ extension with CMake; everything else is in pyproject.toml.

AECODEC_CMAKE_ARGS in the environment adds CMake options, for example "-DAECODEC_CUDA=ON".
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pybind11
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class CMakeBuild(build_ext):
    def build_extension(self, ext: Extension) -> None:
        target, build = Path(self.get_ext_fullpath(ext.name)).resolve(), Path(self.build_temp).resolve()
        shutil.rmtree(build, ignore_errors=True)  # an earlier build's cache names a ninja that pip has deleted
        configure = [
            "cmake",
            *("-S", Path(__file__).parent.resolve(), "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"),
            f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={target.parent}",
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
            f"-DPython_EXECUTABLE={sys.executable}",
            "-DPYBIND11_FINDPYTHON=ON",
            *shlex.split(os.environ.get("AECODEC_CMAKE_ARGS", "")),
        ]
        subprocess.run(configure, check=True)
        subprocess.run(["cmake", "--build", build], check=True)


setup(ext_modules=[Extension("aecodec._core", sources=[])], cmdclass={"build_ext": CMakeBuild})
