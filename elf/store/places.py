"""A store is a folder:

    store.json           what this is, and the format version
    objects/ab/<key>     coded pieces of files, each written once and never changed (`objects.py`)
    models/<name>.json   what a model is made of (`manifest.py`); that this file appears is what adding a model means
    lock, lock.publish   locked, never read: gc excludes everything else; one writer at a time puts objects in place

There is no database and no index: whatever is there can be told from the names. A file that is being written is called
`.<name>.<random>.tmp`, in the folder where it will stay; a writer that is killed leaves nothing else behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote, unquote

import xxhash

from elf.errors import ElfError
from elf.files import replacing
from elf.formats.found import quoted
from elf.store.disk import explained, locked, read_whole

VERSION = 1
KEY = re.compile(r"[0-9a-f]{64}")
PARTIAL = re.compile(r"\..*\.[0-9a-f]{16}\.tmp", re.DOTALL)

_LONGEST_NAME = 150
_KNOWN = {"store.json", "objects", "models", "lock", "lock.publish"}


def description(version: int = VERSION) -> bytes:
    """The content of store.json, which every version writes like this: a damaged one is no newer one."""
    check = xxhash.xxh3_64_hexdigest(f"elves store {version}".encode())
    return f'{{"format": "elves store", "version": {version}, "checksum": "{check}"}}\n'.encode()


class Places:
    """The places in a store's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.models = root / "models"

    def create(self) -> None:
        """Make the folder a store unless it is one. Raises ElfError when it holds something else."""
        if (self.root / "store.json").exists():
            return
        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            strangers = sorted(path.name for path in self.root.iterdir() if not _ours(path))
            if strangers:
                raise ElfError(f"{self.root}: is no store and not empty (there is {quoted(strangers[0])})")
        with self.sharing(), explained(self.root):  # gc would take what is being written for what was left behind
            self.objects.mkdir(exist_ok=True)
            self.models.mkdir(exist_ok=True)
            with replacing(self.root / "store.json") as (stream,):
                stream.write(description())

    def check(self) -> None:
        """Raises ElfError unless the folder is a store that this library can read."""
        found = self.version()
        if found != VERSION:
            text = f"this store has format version {found}; this library reads version {VERSION}"
            raise ElfError(f"{self.root}: {text}")

    def version(self) -> int:
        """The format version. Raises ElfError when store.json is missing or damaged."""
        path = self.root / "store.json"
        if not path.is_file():
            raise ElfError(f"{self.root}: is no store: there is no store.json")
        content = read_whole(path, 1 << 10)
        found = re.match(rb'\{"format": "elves store", "version": ([1-9][0-9]{0,8}),', content)
        if found is None or content != description(int(found[1])):
            raise ElfError(f"{path}: damaged: it should read {description().decode().strip()}")
        return int(found[1])

    def object(self, key: str) -> Path:
        """Where the object of a key is."""
        return self.objects / key[:2] / key

    def model(self, name: str) -> Path:
        """Where the manifest of a model is. Raises ElfError for a name that no model can have."""
        if not 0 < len(name) <= _LONGEST_NAME or name != name.strip() or not name.isprintable():
            raise ElfError(f"a model cannot be called {quoted(name)}: up to {_LONGEST_NAME} printable characters")
        file = quote(name, safe=" ").replace(".", "%2E", 1) if name[0] == "." else quote(name, safe=" ")
        if len(file) > 245:
            raise ElfError(f"a model cannot be called {quoted(name)}: choose a shorter name")
        return self.models / f"{file}.json"

    def names(self) -> list[str]:
        """The models that are there, sorted."""
        with explained(self.models, "cannot be read"):
            return sorted(unquote(path.stem) for path in self.models.glob("[!.]*.json"))

    def object_keys(self) -> Iterator[str]:
        """The objects that are there, sorted."""
        with explained(self.objects, "cannot be read"):
            for folder in sorted(self.objects.glob("[0-9a-f][0-9a-f]")):
                yield from sorted(path.name for path in folder.iterdir() if KEY.fullmatch(path.name))

    def partial(self) -> list[Path]:
        """What writers left that were killed, or are still writing."""
        return sorted(path for path in self._files() if PARTIAL.fullmatch(path.name))

    def strangers(self) -> list[Path]:
        """Files that no store writes."""
        known = {self.root / name for name in _KNOWN} | {self.model(name) for name in self.names()}
        known |= {self.object(key) for key in self.object_keys()}
        return sorted(path for path in self._files() if path not in known and not PARTIAL.fullmatch(path.name))

    def on_disk(self) -> int:
        """Bytes that the file system takes for all files."""
        return sum(path.lstat().st_blocks * 512 for path in self._files())

    def _files(self) -> Iterator[Path]:
        return (path for path in self.root.rglob("*") if not path.is_dir())

    def sharing(self) -> AbstractContextManager[None]:
        """Hold off gc while objects are relied on."""
        return locked(self.root / "lock", exclusive=False)

    def alone(self) -> AbstractContextManager[None]:
        """Wait until nobody relies on objects, and keep it so."""
        return locked(self.root / "lock", exclusive=True)

    def publishing(self) -> AbstractContextManager[None]:
        """Be the only one who puts files under their final names."""
        return locked(self.root / "lock.publish", exclusive=True)


def _ours(path: Path) -> bool:
    return path.name in _KNOWN or PARTIAL.fullmatch(path.name) is not None
