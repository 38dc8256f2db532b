"""Whatever is damaged is named, nothing wrong is restored, and adding the model again repairs what it can."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from store_models import LOSSLESS, files, is_sound, objects, restored, save, single, tuned

from elf.errors import ElfError
from elf.rule import Rule
from elf.store import Store
from elf.store.catalog import Catalog
from elf.store.objects import Objects
from elf.store.places import Places, description


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A base, its fine-tune, and both of them rounded."""
    made = Store(tmp_path / "store")
    base = single(1)
    for name, tensors in (("base", base), ("tuned", tuned(base, 2))):
        save(tmp_path / name / "m.safetensors", tensors)
        made.add(tmp_path / name, name, rule=LOSSLESS)
    made.add(save(tmp_path / "rounded" / "m.safetensors", single(3)), "rounded", rule=Rule())
    return made


def everything(store: Store) -> list[Path]:
    """The files of a store in which a flipped byte is damage."""
    return sorted(path for path in store.path.rglob("*") if path.is_file() and not path.name.startswith("lock"))


def named(store: Store) -> set[str]:
    """What verify calls damaged or missing."""
    return {damage.path for damage in store.verify().damages}


def relative(store: Store, paths: list[Path]) -> set[str]:
    return {path.relative_to(store.path).as_posix() for path in paths}


def flipped(content: bytes, at: int) -> bytes:
    """One bit of byte `at` the other way round."""
    return content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :]


def test_no_file_with_a_flipped_bit_can_be_opened(store: Store) -> None:
    places = Places(store.path)
    found = Objects(places)
    for path in everything(store):
        content = path.read_bytes()
        every = range(len(content)) if len(content) < 800 else range(0, len(content), 5)
        with path.open("r+b", buffering=0) as stream:
            for at in {*range(150), *every, *range(len(content) - 50, len(content))} & set(range(len(content))):
                os.pwrite(stream.fileno(), flipped(content, at)[at : at + 1], at)
                with pytest.raises(ElfError):  # noqa: PT012 - whichever of them it is
                    if path.parent.name == "models":
                        Catalog(places, found).manifest(path.stem)
                    elif path.name == "store.json":
                        places.version()
                    else:
                        found.open(path.name)
                os.pwrite(stream.fileno(), content[at : at + 1], at)
    assert is_sound(store)


def test_every_file_with_a_flipped_bit_is_named(store: Store) -> None:
    paths = everything(store)
    contents = {path: path.read_bytes() for path in paths}
    for turn in np.random.default_rng(0).integers(0, 1 << 30, 50):  # one in every file at a time
        for path, content in contents.items():
            path.write_bytes(flipped(content, int(turn) % len(content)))
        assert relative(store, paths) == named(store)
    for path, content in contents.items():
        path.write_bytes(content)
    assert is_sound(store)


def test_a_truncated_lengthened_or_missing_file_is_named(store: Store) -> None:
    for path in everything(store):
        content = path.read_bytes()
        for damaged in (b"", content[: len(content) // 2], content[:-1], content + b"\0"):
            path.write_bytes(damaged)
            assert relative(store, [path]) <= named(store)
        path.write_bytes(content)
    for path in objects(store):
        content = path.read_bytes()
        path.unlink()
        found = store.verify().damages
        assert [damage.what for damage in found if damage.path in relative(store, [path])] == ["missing"]
        assert all(damage.models for damage in found if damage.what == "missing")
        path.write_bytes(content)


def test_damage_is_told_with_the_models_that_it_costs(store: Store) -> None:
    base = [path for path in objects(store) if path.stat().st_size > 600]
    costs = set()
    for path in base:
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        costs |= {damage.models for damage in store.verify().damages}
        path.write_bytes(content)
    assert costs == {("base", "tuned"), ("tuned",), ("rounded",)}


def test_an_object_in_the_place_of_another_is_found(store: Store) -> None:
    for one, other in zip(objects(store), objects(store)[1:], strict=False):
        content = one.read_bytes()
        shutil.copy(other, one)
        assert relative(store, [one]) <= named(store)
        one.write_bytes(content)
    assert is_sound(store)


def test_nothing_wrong_is_ever_restored(store: Store, tmp_path: Path) -> None:
    wanted = {name: files(tmp_path / name) for name in ("base", "tuned")}
    wanted["rounded"] = restored(store, "rounded", tmp_path / "first")
    for path in everything(store):
        content = path.read_bytes()
        for at in np.random.default_rng(len(content)).integers(0, len(content), 10):
            path.write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
            for name, right in wanted.items():
                shutil.rmtree(tmp_path / "back", ignore_errors=True)
                try:
                    assert restored(store, name, tmp_path / "back") == right
                except ElfError:
                    assert not list((tmp_path / "back").rglob("*.safetensors"))
        path.write_bytes(content)


def test_adding_a_model_again_repairs_its_objects(store: Store, tmp_path: Path) -> None:
    for number, path in enumerate(objects(store)):
        content = path.read_bytes()
        if number % 2:
            path.write_bytes(content[:-1])
        else:
            path.unlink()
    for number, (name, rule) in enumerate((("base", LOSSLESS), ("tuned", LOSSLESS), ("rounded", Rule()))):
        store.add(tmp_path / name, f"again {number}", rule=rule)
    assert is_sound(store)
    for name in ("base", "tuned"):
        assert restored(store, name, tmp_path / "back") == files(tmp_path / name)


def test_gc_removes_nothing_while_damage_hides_what_is_needed(store: Store) -> None:
    store.remove("rounded")
    manifest = store.path / "models" / "base.json"
    content = manifest.read_bytes()
    manifest.write_bytes(content.replace(b"base", b"bass", 1))
    before = files(store.path)
    with pytest.raises(ElfError, match=r"nothing is removed while it is unclear what is needed: .*base\.json"):
        store.gc()
    assert files(store.path) == before
    manifest.write_bytes(content)
    assert store.gc().objects > 0


def test_a_damaged_model_that_is_removed_leaves_a_sound_store(store: Store) -> None:
    (damaged,) = {path for path in objects(store) if path.name in (store.path / "models" / "rounded.json").read_text()}
    damaged.write_bytes(b"")
    store.remove("rounded")
    store.gc()
    assert is_sound(store)
    assert not damaged.exists()


def test_a_newer_store_is_refused_by_name(store: Store) -> None:
    (store.path / "store.json").write_bytes(description(2))
    for call in (Store.list, Store.stats, Store.verify, Store.gc):
        with pytest.raises(ElfError, match="this store has format version 2; this library reads version 1"):
            call(store)


def test_files_that_no_store_writes_are_told_but_no_damage(store: Store) -> None:
    (store.path / "objects" / "README").write_text("hello")
    found = store.verify()
    assert (found.damages, found.strangers) == ((), ("objects/README",))
