"""The bench runs on any model and says what it measured; how fast it was is for people to judge, not for a test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from elf import bench


def test_it_measures_a_model_file_and_prints_every_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "ROUNDS", 1)
    model = tmp_path / "model.npz"
    weights = np.random.default_rng(0).standard_normal((300, 100), np.float32) * np.float32(0.05)
    np.savez(model, weights=weights, ids=np.arange(50))
    assert bench.main([str(model), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert 20 < rows["bits a parameter"] < 22
    assert rows["ratio / that of zstd -3"] > 1.3
    assert rows["kernel decode / np.copyto"] > 0
    assert bench.main([str(model)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(rows)


def test_the_halves_of_two_threads_are_the_whole() -> None:
    rows = list(bench.kernel_rows(3 * 4 * bench.BLOCK))
    assert [name for name, value, _ in rows if value <= 0] == []
