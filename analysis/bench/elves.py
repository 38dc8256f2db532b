"""What Elves makes of a study's tensors, beside the published layout and single methods on the same lossy tensors.

Every tensor is coded once (identical ones in other files are free for all). Where Elves is lossy each peer gets
the same tensor and the same bound; elsewhere each peer gets what Elves chose, so that only the lossy method differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xxhash
import zstandard
from numpy.typing import NDArray

from elf import paper
from elf.choose import candidates, choose
from elf.codecs.base import Values
from elf.coding import typed
from elf.formats import ModelFile, open_model
from elf.rule import Rule, after
from elf.skeleton import cut, skeleton
from elf.tensor import Tensor

UNIQUE = "elves"
Sizes = Counter[str]


def published(values: Values, step: int) -> int:
    """Bytes of the published layout: codes, positions and values side by side, zstd level 3."""
    del step  # f32 and f64 have one layout each, at their own bound
    codes, positions, rest = paper.encode(values)
    return len(zstandard.compress(codes.tobytes() + positions.tobytes() + rest.tobytes(), 3))


def zstd(values: Values, step: int) -> int:
    """Bytes of zstd level 3, which is lossless."""
    del step
    return len(zstandard.compress(values.data, 3))


def pcodec(values: Values, step: int) -> int:
    """Bytes of pcodec over the values in steps of 2**step, rounded: the same bound as Elf."""
    from pcodec import ChunkConfig, standalone

    scaled = np.rint(values.astype(np.float64) * 2.0**-step)
    whole: NDArray[np.int64] = scaled.astype(np.int64)
    fits = np.abs(scaled).max(initial=0) < 2**31
    return len(standalone.simple_compress(whole.astype(np.int32) if fits else whole, ChunkConfig()))


PEERS: dict[str, Callable[[Values, int], int]] = {
    "published layout + zstd -3": published,
    "pcodec over integers": pcodec,
    "zstd -3": zstd,
}


def report(models: dict[str, list[Path]]) -> str:
    """Ratios over all models, then for each model Elves beside the best single peer."""
    seen: set[tuple[str, str]] = set()
    sizes = {name: _model(paths, seen) for name, paths in models.items()}
    total = sum(sizes.values(), Counter())
    lines = [
        "elves, identical tensors once; ratio = bytes of the files / bytes of payloads and coded skeletons",
        f"{'the whole study':<44}{total['in'] / total[UNIQUE]:8.3f}   (aim 1.47)",
        f"{'f32 weights alone':<44}{total['weights in'] / total['weights out']:8.3f}   (aim 1.50)",
    ]
    for peer in PEERS:
        factor = total[f"lossy {peer}"] / total["lossy out"]
        lines.append(f"{'lossy tensors: ' + peer + ' / elves':<44}{factor:8.3f}")
    lines += [_line(name, size) for name, size in sizes.items()]
    return "\n".join([*lines, ""])


def _line(name: str, size: Sizes) -> str:
    """A model: what Elves takes more than its best peer, in percent and bytes; it may take 0.5 % + 4 KiB more."""
    others = size[UNIQUE] - size["lossy out"]
    peer = min(PEERS, key=lambda peer: size[f"lossy {peer}"])
    best = others + size[f"lossy {peer}"]
    more = size[UNIQUE] - best
    verdict = "ok" if more <= 0.005 * best + 4096 else "LARGER"
    return f"  {name:<42}{size['in'] / max(1, size[UNIQUE]):8.3f}   {more:+10,} B against {peer}: {verdict}"


def _model(paths: list[Path], seen: set[tuple[str, str]]) -> Sizes:
    sizes: Sizes = Counter()
    for path in paths:
        with open_model(path) as file:
            sizes += _file(file, seen)
    return sizes


def _file(file: ModelFile, seen: set[tuple[str, str]]) -> Sizes:
    sizes: Sizes = Counter()
    rest = sum(file.part(i).size for i in range(len(file.parts)))
    for tensor, data in _own(file):
        rest -= tensor.nbytes
        key = (xxhash.xxh3_128_hexdigest(data.data), tensor.dtype)
        if key not in seen:
            seen.add(key)
            sizes += _tensor(tensor, typed(np.array(data), tensor.dtype))
        else:
            sizes["in"] += tensor.nbytes
    return sizes + Counter({"in": rest, UNIQUE: _skeleton_bytes(file)})


def _skeleton_bytes(file: ModelFile) -> int:
    """Coded bytes of all that no range of an Elves file holds; small tensors, counted above, are left in it twice."""
    layout, _ = cut(file)
    return sum(len(zstandard.compress(bytes(piece), 3)) for piece in skeleton(file, layout))


def _own(file: ModelFile) -> Iterator[tuple[Tensor, NDArray[np.uint8]]]:
    """Tensors that are stored plain and share their bytes with none before them."""
    for tensor in map(file.as_stored, file.tensors):
        if tensor.offset is not None and tensor.alias_of is None and tensor.nbytes:
            yield tensor, file.bytes(tensor)


def _tensor(tensor: Tensor, values: Values) -> Sizes:
    decision = after(Rule().before(tensor), values, tensor.dtype)
    step = decision.bound.step(values, tensor.dtype) if decision.bound else None
    out = len(choose(values, tensor.dtype, tensor.shape, candidates(values, tensor.dtype, decision.bound)))
    sizes = Counter({"in": tensor.nbytes, UNIQUE: out})
    if tensor.dtype == "f32" and tensor.role == "weight":
        sizes += Counter({"weights in": tensor.nbytes, "weights out": out})
    if step is not None:
        sizes += Counter({f"lossy {peer}": size(values, step) for peer, size in PEERS.items()})
        sizes["lossy out"] += out
    return sizes
