"""What each step saved: steps from the original bytes to those of the store, which sum to the whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from elf.store.catalog import Catalog
from elf.store.manifest import Unit
from elf.store.objects import Opened
from elf.store.references import bases

STEPS = {
    "original files": "bytes of every file of every model",
    "identical files": "saved by storing a file once that is there again",
    "identical layers": "saved by storing a tensor once that is there again",
    "identical skeletons": "saved by storing what is outside of tensors once when it is there again",
    "codecs, exact": "saved by the best codec for each tensor, bit for bit",
    "codecs, rounded": "saved by the best codec for each tensor that was rounded within its bound",
    "deltas": "saved by coding a tensor against a relative where that is smaller still",
    "skeletons": "saved by coding what is outside of tensors",
    "bases kept": "added by objects that only deltas need",
    "recipes": "added by the lists of what each file is made of",
    "heads": "added by the heads and checksums of objects",
    "manifests": "added by manifests and store.json",
    "unneeded": "added by what gc would remove, and by files that no store writes",
}
"""Each step and what its bytes are; savings are negative."""


@dataclass(frozen=True)
class Stats:
    """A store in numbers: all bytes, and those of each step, which sum to `stored`."""

    models: int
    files: int
    objects: int
    original: int
    stored: int
    on_disk: int
    """What the file system takes for it: each file is a whole number of its blocks."""
    steps: dict[str, int]
    codecs: dict[str, tuple[int, int, int]]
    """By codec of tensors and skeletons: objects, bytes in, bytes out."""


@dataclass
class _Counting:
    catalog: Catalog
    steps: Counter[str] = field(default_factory=Counter)
    codecs: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    files: set[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)

    def unit(self, unit: Unit) -> None:
        """Count one model file."""
        self.steps["original files"] += unit.nbytes
        if (unit.sha256, unit.recipe) in self.files:
            self.steps["identical files"] -= unit.nbytes
            return
        self.files.add((unit.sha256, unit.recipe))
        recipe = self.catalog.recipe(unit)
        for layer in recipe.layers:
            for key, nbytes in layer.pieces():
                self.piece(key, nbytes, "layers")
        for key, nbytes in recipe.outside():
            self.piece(key, nbytes, "skeletons")
        for key, _ in unit.pieces():
            if key not in self.objects:
                self.steps["recipes"] += len(self.first(key).payload.data)

    def piece(self, key: str, nbytes: int, kind: str) -> None:
        """Count one piece of a file: its object where it comes first, else as identical."""
        if key in self.objects:
            self.steps[f"identical {kind}"] -= nbytes
            return
        opened = self.first(key)
        header, size = opened.header, len(opened.payload.data)
        plain = size if header.base is None else header.without_base
        if kind == "skeletons":
            self.steps["skeletons"] -= nbytes - size
        else:
            self.steps["codecs, exact" if header.exact else "codecs, rounded"] -= nbytes - plain
            self.steps["deltas"] -= plain - size
        name = opened.payload.head.codec.name
        count, before, after = self.codecs.get(name, (0, 0, 0))
        self.codecs[name] = count + 1, before + nbytes, after + size

    def first(self, key: str) -> Opened:
        """An object that is counted now."""
        opened = self.catalog.objects.peek(key)
        self.objects.add(key)
        self.steps["heads"] += opened.size - len(opened.payload.data)
        return opened

    def rest(self) -> None:
        """Count what no recipe names."""
        places = self.catalog.places
        kept = set(bases(self.objects, self.catalog.objects)) - self.objects
        self.steps["bases kept"] += sum(places.object(key).stat().st_size for key in kept)
        manifests = [*map(places.model, places.names()), places.root / "store.json"]
        self.steps["manifests"] += sum(path.stat().st_size for path in manifests)
        other = [places.object(key) for key in places.object_keys() if key not in kept | self.objects]
        other += [*places.partial(), *places.strangers()]
        self.steps["unneeded"] += sum(path.lstat().st_size for path in other)


def stats(catalog: Catalog) -> Stats:
    """A store in numbers. Raises ElfError when something that it needs to read is missing or damaged."""
    counting = _Counting(catalog)
    files = 0
    names = catalog.places.names()
    for name in names:
        for unit in catalog.manifest(name).units:
            counting.unit(unit)
            files += len(unit.sizes)
    counting.rest()
    steps = {step: counting.steps[step] for step in STEPS}
    return Stats(
        models=len(names),
        files=files,
        objects=len(counting.objects),
        original=steps["original files"],
        stored=sum(steps.values()),
        on_disk=catalog.places.on_disk(),
        steps=steps,
        codecs=dict(sorted(counting.codecs.items())),
    )
