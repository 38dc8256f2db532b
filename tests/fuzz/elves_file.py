"""Coverage-guided fuzzing of everything that reads an Elves file. Needs the package atheris, which is in no lock file.

    pip install atheris && python tests/fuzz/elves_file.py -max_total_time=600

The first byte of an input chooses what the rest is: a whole file; an index, put into a file with right checksums; or a
payload, whose head and index get a right checksum, so that what lies behind checksums is reached as well.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]
import xxhash

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
with atheris.instrument_imports(include=["elf"], exclude=["elf.kernels"]):
    import numpy as np

    from elf import payload
    from elf.codecs import CODECS
    from elf.codecs.delta import Delta
    from elf.codecs.stored import Stored
    from elf.container import LARGEST_BLOCK, ElvesFile
    from elf.errors import ElfError
    from elf.index import Index
    from elf.payload import Payload
    from elf.restore import restored

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "elves-v1"
LARGEST = 1 << 24
"""Bytes that an input may ask for and still be decoded: enough for every path, and fast."""


def read_file(data: bytes) -> None:
    """As opening, restoring and reading by name do."""
    with ElvesFile("fuzzed", np.frombuffer(data, np.uint8)) as file:
        if sum(file.index.sizes) > LARGEST:
            return
        for _ in restored(file):
            pass
        for name in file:
            file.bound_of(name)
            _ = file[name]


def read_index(data: bytes) -> None:
    """A file around an index, whose payloads are taken from a payload of zeros."""
    index = Index.from_bytes(data)
    values = np.frombuffer(data, np.uint8)
    coded = payload.encode(values, "u8", (values.size,), Stored())
    assert coded is not None
    header = index.header_text(len(coded))
    size = sum(index.payloads) + sum(index.skeleton)
    if size < LARGEST:
        read_file(len(header).to_bytes(8, "little") + header + bytes(size) + coded)


def read_payload(data: bytes) -> None:
    """A payload whose checksum over head and index is made right, if there is such a place in it."""
    try:
        Payload(data + bytes(8))
    except ElfError as error:
        if "checksum" not in str(error):
            raise
    reader = payload.Reader(data)
    head = payload._read_head(reader)
    size = head.n_blocks * 12
    if not 0 <= size <= len(data) - reader.position:
        raise ElfError("too short")
    tail = xxhash.xxh3_64_intdigest(data[: reader.position] + data[len(data) - size :]).to_bytes(8, "little")
    opened = Payload(data + tail)
    if head.nbytes <= LARGEST and head.block * head.numpy.itemsize <= LARGEST_BLOCK:
        opened.decode()


TARGETS = (read_file, read_index, read_payload)


def one_input(data: bytes) -> None:
    """An ElfError or a result; whatever else is raised is a finding."""
    if not data:
        return
    try:
        TARGETS[data[0] % len(TARGETS)](data[1:])
    except ElfError:
        return


def seeds(folder: Path) -> None:
    """Golden files, their indexes, and a payload of every codec."""
    for path in sorted(GOLDEN.glob("*.safetensors")):
        (folder / path.stem).write_bytes(b"\0" + path.read_bytes())
        with ElvesFile(path) as file:
            (folder / f"{path.stem}-index").write_bytes(b"\1" + file.index.to_bytes())
    values = (np.random.default_rng(0).standard_normal(300) * 0.05).astype("<f4")
    plain = {
        "constant": np.ones(300, "<f4"),
        "sparse": np.where(values > 0.1, values, 0),
        "strip": np.rint(values * 64),
    }
    plain |= {"narrow": values.astype("<f2"), "table": np.rint(values * 20)}
    for name, codec in CODECS.items():
        if not issubclass(codec, Delta):
            data = payload.encode(plain.get(name, values).astype("<f4"), "f32", (300,), codec(), block_bytes=512)
            (folder / f"payload-{name}").write_bytes(b"\2" + (data or b"")[:-8])


if __name__ == "__main__":
    corpus = tempfile.mkdtemp(prefix="elves-fuzz-")
    seeds(Path(corpus))
    atheris.Setup([sys.argv[0], corpus, "-max_len=30000", "-rss_limit_mb=3000", *sys.argv[1:]], one_input)
    atheris.Fuzz()
