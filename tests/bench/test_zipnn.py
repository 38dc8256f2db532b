"""zipnn's worker file as it is, run by this Python over a stand-in for the package; never zipnn itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analysis.bench import zipnn, zipnn_process
from analysis.bench.zipnn import OURS, SMALLEST, measure, report
from analysis.bench.zipnn_process import WORKER, Worker
from analysis.compression.units import Piece
from analysis.errors import UsageError
from elf.codecs.base import Values
from elf.errors import ElfError

STAND_IN = """
import os, signal, time, zlib

class ZipNN:
    def __init__(self, input_format, bytearray_dtype, threads):
        assert (input_format, threads) == ("byte", 1)
        assert bytearray_dtype in ("float32", "float16", "bfloat16")

    def compress(self, data):
        print("said on stdout, from Python")
        os.write(1, b"and from native code")
        if data[:4] == b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if data[:4] == b"wait":
            time.sleep(60)
        if data[:4] == b"nope":
            raise ValueError("not this one")
        coded = zlib.compress(bytes(data), 1)
        data[:] = bytes(len(data))
        return coded

    def decompress(self, data):
        raw = bytearray(zlib.decompress(bytes(data)))
        if raw[:4] == b"flip":
            raw[-1] ^= 1
        return raw[:-1] if raw[:4] == b"less" else raw
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    (tmp_path / "zipnn.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made = Worker(Path(sys.executable))
    yield made
    made.stop()


def piece(start: bytes = b"", dtype: str = "f32", nbytes: int = SMALLEST) -> Piece:
    raw = start + bytes(range(256)) * (nbytes // 256 + 1)
    numpy = {"f32": "<f4", "f16": "<f2", "bf16": "<u2"}[dtype]
    values: Values = np.frombuffer(raw[:nbytes], numpy)
    return Piece(values, dtype, dtype, values.nbytes)


def test_each_tensor_is_counted_with_its_container_beside_ours(worker: Worker) -> None:
    named = [("a", piece()), ("b", piece(dtype="f16")), ("c", piece(dtype="bf16")), ("small", piece(nbytes=4))]
    found = measure(iter(named), worker)
    assert (found.lost, found.n_small, found.small_bytes, list(found.totals)) == ([], 1, 4, ["f32", "f16", "bf16"])
    for name, tensor in named[:3]:
        totals = found.totals[tensor.dtype]
        assert list(totals) == ["zipnn", *OURS], name
        coded = worker.ask("compress", tensor.dtype, tensor.values.tobytes())
        assert totals["zipnn"].bytes_out == len(coded) + 4
        assert {(total.n_units, total.bytes_in) for total in totals.values()} == {(1, SMALLEST)}


def test_a_worker_that_overwrites_its_input_leaves_ours_alone(worker: Worker) -> None:
    tensor = piece()
    values = tensor.values.copy()
    before = values.tobytes()
    found = measure(iter([("a", tensor._replace(values=values))]), worker)
    assert values.tobytes() == before
    assert found.lost == []


def test_a_killed_process_costs_one_tensor_and_is_named(worker: Worker) -> None:
    found = measure(iter([("a", piece()), ("b", piece(b"kill")), ("c", piece(dtype="f16"))]), worker)
    [(where, dtype, why)] = found.lost
    assert (where, dtype) == ("b", "f32")
    assert "4,096 bytes" in why
    assert "killed by SIGKILL" in why
    assert {total.n_units for totals in found.totals.values() for total in totals.values()} == {1}
    shown = report(found)
    assert "every method's row: 1 tensor\n  b (f32)" in shown


@pytest.mark.parametrize(
    ("start", "reason"),
    [(b"flip", "other bits"), (b"less", "4095 bytes for a block of 4096"), (b"nope", "not this one")],
)
def test_a_wrong_answer_is_a_loss_and_counts_nowhere(worker: Worker, start: bytes, reason: str) -> None:
    found = measure(iter([("a", piece(start))]), worker)
    assert [reason in why for _, _, why in found.lost] == [True]
    assert all(total.n_units == 0 for total in found.totals["f32"].values())
    assert "f32" in report(found)


def test_a_worker_that_does_not_answer_is_ended(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipnn_process, "PATIENCE", 0.05)
    with pytest.raises(ElfError, match="SIGKILL"):
        worker.ask("compress", "f32", b"wait")


def test_without_the_environment_one_line_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(zipnn, "PYTHON", tmp_path / "python")
    assert zipnn.main([]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "make zipnn" in err


def test_an_environment_without_zipnn_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zipnn.py").write_text("import nowhere_to_be_found")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = Worker(Path(sys.executable))
    with pytest.raises(UsageError, match=r"nowhere_to_be_found.*make zipnn"):
        worker.ask("compress", "f32", b"")
    worker.stop()


def test_the_lengths_known_to_end_it_are_tried_and_told(worker: Worker) -> None:
    lines = zipnn.edges(worker).splitlines()
    assert lines[1:] == [f"  {(1 << 18) + more:,}: comes back the same" for more in (1, 2, 3)]


def test_the_worker_imports_nothing_of_this_project() -> None:
    imported = re.findall(r"^ *(?:import|from) (\w+)", WORKER.read_text(), re.MULTILINE)
    assert {name for name in imported if name not in sys.stdlib_module_names} == {"zipnn"}
