"""`python -m analysis.bench.zipnn [STUDY]`: zipnn beside split, pcodec and zstd, on the same tensors; `make zipnn`.

zipnn comes as source only, imports torch, overwrites what it is given and ends its process over some lengths. So it
lives in an environment of its own, runs in a process of its own, and stands in no committed table: a machine without it
would make another one. Its bytes come back here, are counted here, and what it decodes from them is compared here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from analysis.bench.zipnn_process import DTYPES, Worker, Zipnn
from analysis.cli import config_path
from analysis.compression.coding import LENGTH_BYTES, Coder, Total
from analysis.compression.methods import Method
from analysis.compression.units import Piece, values_of
from analysis.config import ConfigError, load_study
from analysis.errors import UsageError
from analysis.places import PROJECT, places
from analysis.progress import say
from analysis.sources import Pulled
from analysis.steps import pull_study
from analysis.text import count, table
from elf.errors import ElfError
from elf.formats import open_model

PYTHON = PROJECT / ".venv-zipnn" / "bin" / "python"
SMALLEST = 4096
"""Bytes of the smallest tensor that is measured: its header of 32 bytes and more is not what is asked about."""
OURS = ("split", "pcodec:level=8", "zstd:level=3")
EDGES = (1, 2, 3)
"""Bytes of f32 beyond whole chunks over which zipnn 0.5.4 is known to end its process. No whole f32 tensor has them."""
CHUNK = 1 << 18


@dataclass
class Found:
    """Totals by dtype and method, over the tensors that zipnn gave back; and the others, each with its reason."""

    totals: dict[str, dict[str, Total]] = field(default_factory=dict)
    lost: list[tuple[str, str, str]] = field(default_factory=list)
    n_small: int = 0
    small_bytes: int = 0


def measure(pieces: Iterator[tuple[str, Piece]], worker: Worker) -> Found:
    """Every tensor through zipnn and, unless zipnn loses it, through ours: coded, decoded, compared, counted."""
    found = Found()
    peer = Coder(Zipnn(worker))
    ours = {text: Coder(Method(text).plain) for text in OURS}
    for where, piece in pieces:
        if piece.values.nbytes < SMALLEST:
            found.n_small += 1
            found.small_bytes += piece.values.nbytes
            continue
        totals = found.totals.setdefault(piece.dtype, {name: Total() for name in ("zipnn", *OURS)})
        try:
            peer.add([piece], totals["zipnn"])
        except UsageError:
            raise
        except ElfError as error:
            found.lost.append((where, piece.dtype, f"{piece.values.nbytes:,} bytes: {error}"))
            continue
        for text, coder in ours.items():
            coder.add([piece], totals[text])
    return found


def tensors(pulled: Pulled) -> Iterator[tuple[str, Piece]]:
    """The float tensors that zipnn knows, whole, of every file, with the name of each."""
    for model in pulled.models:
        for file in model.files:
            with open_model(file.path) as opened:
                for tensor in opened.tensors:
                    if tensor.alias_of is None and tensor.nbytes and tensor.dtype in DTYPES:
                        values, coded = values_of(opened, tensor)
                        yield f"{model.name}/{file.name}: {tensor.name}", Piece(values, coded, coded, values.nbytes)
                        opened.release()


def report(found: Found) -> str:
    """One table, then what was lost, tensor by tensor."""
    header = ("dtype", "tensors", "method", "bytes in", "bytes out", "ratio", "bits/parameter", "kept", "lost")
    rows = [
        (dtype, total.n_units, method, total.bytes_in, total.bytes_out, *_shown(total, dtype), total.n_kept, lost)
        for dtype, totals in sorted(found.totals.items())
        for method, total in totals.items()
        for lost in [sum(of == dtype for _, of, _ in found.lost) if method == "zipnn" else 0]
    ]
    left_out = f"{found.n_small:,} smaller ones, {found.small_bytes:,} bytes, left out"
    lines = [table(header, rows), f"tensors of {SMALLEST:,} bytes or more; {left_out}"]
    lines.append(f"{LENGTH_BYTES} bytes of length beside each; kept: stored as they are, because coding is no shorter")
    lines.append(f"lost, and left out of every method's row: {count(len(found.lost), 'tensor')}")
    return "\n".join([*lines, *(f"  {where} ({dtype}): {why}" for where, dtype, why in found.lost), ""])


def _shown(total: Total, dtype: str) -> tuple[str, str]:
    if not total.bytes_in:
        return "", ""
    return f"{total.bytes_in / total.bytes_out:.4f}", f"{int(dtype[-2:]) * total.bytes_out / total.bytes_in:.3f}"


def edges(worker: Worker) -> str:
    """What becomes of the lengths that no whole tensor has, but a file's or a chunk's bytes may."""
    weights = (np.random.default_rng(0).standard_normal(CHUNK) * 0.05).astype(np.float32).tobytes()
    lines = [f"random f32, {CHUNK:,} bytes and a few more, as no whole f32 tensor has:"]
    for more in EDGES:
        data = weights[: CHUNK + more]
        try:
            same = worker.ask("decompress", "f32", worker.ask("compress", "f32", data)) == data
            lines.append(f"  {len(data):,}: {'comes back the same' if same else 'comes back changed'}")
        except ElfError as error:
            lines.append(f"  {len(data):,}: {error}")
    return "\n".join([*lines, ""])


def main(arguments: list[str] | None = None) -> int:
    """Print it; 0, 1 when something could not be measured, 2 when there is no environment to measure in."""
    given = sys.argv[1:] if arguments is None else arguments
    worker = Worker(PYTHON)
    try:
        if not PYTHON.exists():
            raise UsageError("zipnn has no environment here; this makes it and measures: make zipnn")
        study = load_study(config_path(given[0] if given else "default"))
        worker.start()
        pulled = pull_study(study, places())
        found = measure(tensors(pulled), worker)
        versions = ", ".join(f"{name} {version}" for name, version in worker.versions.items())
        sys.stdout.write(f"{versions}, one thread; study {study.name}\n{report(found)}{edges(worker)}")
    except ElfError as error:
        say(str(error))
        return 2 if isinstance(error, UsageError | ConfigError) else 1
    finally:
        worker.stop()
    for failure in pulled.failures:
        say(f"not measured: {failure.model}: {failure.reason}")
    return int(bool(found.lost or pulled.failures))


if __name__ == "__main__":
    sys.exit(main())
