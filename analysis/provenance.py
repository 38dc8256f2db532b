"""What a result depends on beside its inputs: versions of this code, its libraries and the platform."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = (
    "numpy",
    "numba",
    "pandas",
    "pyarrow",
    "duckdb",
    "xxhash",
    "zstandard",
    "pcodec",
    "h5py",
    "huggingface_hub",
    "pydantic",
    "matplotlib",
    "datasketch",
    "rensa",
)


def versions() -> dict[str, str]:
    """Versions of Python and of every library that results may depend on; `missing` where one is not installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def machine() -> dict[str, str | int | None]:
    """The machine: system, processor architecture, number of logical cores."""
    import os

    return {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()}
