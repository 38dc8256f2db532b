"""Elves files of every version of the format, kept in `tests/golden`, are read for ever.

Nothing writes these files again: what people have stored is not written again either.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import safetensors

import elf
from elf.formats import open_model
from elf.index import VERSION, escaped

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = range(1, VERSION + 1)
LOSSY = {"", "__metadata__", "__elves__/index", "ä/ö", "twin", "double"}
SUMS = {
    "elves-v1/model.pt": "e620d14b52cd00097d2b3561f05756d2a9fbbbdd68fc52b670a30227be761f29",
    "elves-v1/lossless.safetensors": "9ac457f4b433629b0372ab026e4120b65b2942e1cd402e2d3595e1fa433aec47",
    "elves-v1/lossy.safetensors": "659eb74b292a2c425b1bb0729134ea9b97a52fdb09cbc9ffe7a1c1e517c6160e",
}


def test_golden_files_are_what_they_were() -> None:
    found = {str(path.relative_to(GOLDEN)): path.read_bytes() for path in GOLDEN.glob("elves-v*/*")}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == SUMS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lossless_file_is_restored_byte_for_byte(version: int, tmp_path: Path) -> None:
    folder = GOLDEN / f"elves-v{version}"
    elf.decompress(folder / "lossless.safetensors", tmp_path / "model.pt")
    assert (tmp_path / "model.pt").read_bytes() == (folder / "model.pt").read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lossy_file_gives_the_same_values_for_ever(version: int) -> None:
    folder = GOLDEN / f"elves-v{version}"
    with open_model(folder / "model.pt") as model, elf.open(folder / "lossy.safetensors") as file:
        assert {name for name in file if file.bound_of(name) is not None} == LOSSY
        for tensor in model.tensors:
            before, after = model.bytes(tensor), file.bytes(tensor)
            if tensor.name not in LOSSY:
                assert np.array_equal(before, after)
                continue
            kind = {"f32": "<f4", "f64": "<f8"}[tensor.dtype]
            step = {"f32": 2.0**-23, "f64": 2.0**-52}[tensor.dtype]
            expected = np.copysign(np.rint(np.abs(before.view(kind)) / step) * step, before.view(kind))
            assert np.array_equal(after.view(kind), expected.astype(kind))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["lossless", "lossy"])
def test_safetensors_opens_them(version: int, name: str) -> None:
    path = GOLDEN / f"elves-v{version}" / f"{name}.safetensors"
    with safetensors.safe_open(path, "numpy") as plain, elf.open(path) as file:
        owners = {row.payload: row.tensor.name for row in reversed(file.index.rows) if row.payload is not None}
        for payload, owner in owners.items():
            data = plain.get_tensor(escaped(owner))
            assert data.size == file.index.payloads[payload or 0]
            assert np.array_equal(elf.decode(data.tobytes()).reshape(-1), _stored(file, owner))


def _stored(file: elf.ElvesFile, name: str) -> np.ndarray:
    """A tensor's values in the order in which they are stored."""
    axes = file.tensors[list(file).index(name)].axes
    return (file[name] if axes is None else file[name].transpose(axes)).reshape(-1)
