"""Promises that hold for every format; a new one joins by a sample in samples.py."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import SAMPLES, SUFFIXES

from elf.errors import ElfError
from elf.formats import FORMATS, ModelFile, open_model
from elf.tensor import DTYPES, ROLES

KINDS = sorted(SAMPLES)
# h5py takes some milliseconds to open a file: fewer damages for it.
_SLOW = {"hdf5", "keras"}


def _written(folder: Path, kind: str, content: bytes) -> Path:
    path = folder / f"npy{SUFFIXES.get(kind, '.bin')}"
    path.write_bytes(content)
    return path


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(kind: str, tmp_path: Path) -> Iterator[ModelFile]:
    with open_model(_written(tmp_path, kind, SAMPLES[kind]()[0])) as model:
        yield model


def test_every_format_has_a_sample(tmp_path: Path) -> None:
    modules = set()
    for kind in KINDS:
        path = _written(tmp_path, kind, SAMPLES[kind]()[0])
        with open_model(path) as model:
            data = model.part(0)
            modules.add(next(name for name, reader in FORMATS.items() if reader.matches(path, data)))
    assert modules == set(FORMATS)


def test_tensors_hold_what_was_written(kind: str, opened: ModelFile) -> None:
    assert opened.format == kind.partition(".")[0]
    assert {tensor.name: opened.bytes(tensor).tobytes() for tensor in opened.tensors} == SAMPLES[kind]()[1]


def test_the_format_is_told_from_the_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "no suffix"
    path.write_bytes(SAMPLES[kind]()[0])
    with open_model(path) as model:
        assert model.format == kind.partition(".")[0]
        assert len(model.tensors) == len(SAMPLES[kind]()[1])


def test_tensors_keep_the_invariants(opened: ModelFile) -> None:
    assert_invariants(opened)
    assert {tensor.role for tensor in opened.tensors} <= {"weight", "bias"}


def test_views_are_read_only_and_outlive_the_file(opened: ModelFile) -> None:
    plain = [tensor for tensor in opened.tensors if tensor.offset is not None]
    views = [opened.bytes(tensor) for tensor in plain]
    before = [view.tobytes() for view in views]
    opened.release()
    opened.close()
    assert [view.tobytes() for view in views] == before
    assert not any(view.flags.writeable for view in views)


def test_a_closed_file_refuses_and_is_released(kind: str, tmp_path: Path) -> None:
    path = _written(tmp_path, kind, SAMPLES[kind]()[0])
    model = open_model(path)
    tensor = model.tensors[0]
    model.bytes(tensor)
    assert _is_mapped(path)
    model.close()
    assert not _is_mapped(path)
    with pytest.raises(ElfError, match="is closed"):
        model.bytes(tensor)


def _is_mapped(path: Path) -> bool:
    maps = Path("/proc/self/maps")
    return str(path) in maps.read_text() if maps.exists() else path.exists()


def test_a_truncated_file_is_refused_not_guessed(kind: str, tmp_path: Path) -> None:
    content, tensors = SAMPLES[kind]()
    step = 11 if kind in _SLOW else 1
    for size in range(1, len(content), step):
        path = _written(tmp_path, kind, content[:size])
        try:
            with open_model(path) as model:
                read = {tensor.name: model.bytes(tensor).tobytes() for tensor in model.tensors}
        except ElfError as error:
            assert_one_line(error)
            continue
        # What is cut off may be no tensor's; one magic byte alone tells no format.
        assert read == tensors or size < 2, size


def test_a_damaged_file_gives_an_error_or_tensors_of_the_right_size(kind: str, tmp_path: Path) -> None:
    content, _ = SAMPLES[kind]()
    rng = random.Random(kind)
    for _ in range(60 if kind in _SLOW else 1500):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 5))):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        path = _written(tmp_path, kind, bytes(damaged))
        try:
            with open_model(path) as model:
                assert_invariants(model)
        except ElfError as error:
            assert_one_line(error)


def assert_one_line(error: ElfError) -> None:
    text = str(error)
    assert "npy" in text
    assert "\n" not in text
    assert len(text) < 600


def assert_invariants(model: ModelFile) -> None:
    """What everything else in the project counts on."""
    names = [tensor.name for tensor in model.tensors]
    assert len(set(names)) == len(names)
    ends = dict.fromkeys(range(len(model.parts)), 0)
    for tensor in model.tensors:
        assert tensor.role in ROLES
        assert tensor.nbytes == DTYPES[tensor.dtype].nbytes(tensor.shape)
        assert tensor.alias_of is None or (tensor.stored == 0 and tensor.alias_of in names)
        if tensor.offset is not None and tensor.alias_of is None and tensor.nbytes:
            assert ends[tensor.part] <= tensor.offset
            assert tensor.stored == tensor.nbytes
            ends[tensor.part] = tensor.offset + tensor.nbytes
        try:
            assert model.bytes(tensor).shape == (tensor.nbytes,)
        except ElfError as error:
            assert_one_line(error)
    for part, end in ends.items():
        assert end <= model.part(part).size
        assert sum(tensor.stored for tensor in model.tensors if tensor.part == part) <= model.part(part).size
