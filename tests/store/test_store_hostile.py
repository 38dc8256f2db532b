"""A store from somebody else: whatever it says, nothing is written outside of the folder, nothing crashes or swells."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from store_models import LOSSLESS, files, restored, save, weights

from elf.codecs import DELTAS
from elf.codecs.stored import Stored
from elf.errors import ElfError
from elf.payload import encode
from elf.store import Store
from elf.store.catalog import Catalog
from elf.store.manifest import Manifest, check_path, read_manifest, read_recipe
from elf.store.objects import Header, Objects, Staged, exact_key
from elf.store.places import Places
from elf.store.restoring import target_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.add(save(tmp_path / "m.safetensors", weights(1)), "m", rule=LOSSLESS)
    return made


def catalog(store: Store) -> Catalog:
    places = Places(store.path)
    return Catalog(places, Objects(places))


def renamed(store: Store, path: str) -> None:
    """Let the manifest say that the file goes to `path`, with a right checksum."""
    manifest = catalog(store).manifest("m")
    unit = dataclasses.replace(manifest.units[0], path=path)
    Places(store.path).model("m").write_bytes(Manifest("m", (unit,)).to_bytes())


@pytest.mark.parametrize(
    "path", ["../out", "/out", "a/../../out", "a\\..\\out", "C:/out", "", ".", "a//b", "a/", "./a", "a\0b", ".."]
)
def test_a_path_that_leaves_the_folder_is_refused(store: Store, tmp_path: Path, path: str) -> None:
    renamed(store, path)
    with pytest.raises(ElfError, match=r"m\.json: "):
        store.restore("m", tmp_path / "back" / "deep")
    assert not (tmp_path / "back").exists()
    assert [damage.path for damage in store.verify().damages] == ["models/m.json"]


def test_a_link_in_the_target_is_not_followed_out_of_it(store: Store, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "victim").write_bytes(b"mine")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "sub").symlink_to(tmp_path / "outside")
    for path in ("sub/m", "sub/deeper/m"):
        renamed(store, path)
        with pytest.raises(ElfError, match="is a link that leaves"):
            store.restore("m", tmp_path / "back")
    (tmp_path / "back" / "m").symlink_to(tmp_path / "outside" / "victim")
    renamed(store, "m")
    store.restore("m", tmp_path / "back")  # the link is replaced, not what it points to
    assert files(tmp_path / "outside") == {"victim": b"mine"}
    assert not (tmp_path / "back" / "m").is_symlink()


def test_a_folder_in_the_place_of_a_file_and_a_file_in_that_of_a_folder_are_told(store: Store, tmp_path: Path) -> None:
    (tmp_path / "back" / "m.safetensors").mkdir(parents=True)
    with pytest.raises(ElfError, match="is a folder"):
        store.restore("m", tmp_path / "back")
    (tmp_path / "file").touch()
    with pytest.raises(ElfError, match="file: cannot be made: File exists"):
        store.restore("m", tmp_path / "file")


@given(st.text())
def test_every_path_that_is_accepted_stays_in_the_folder(path: str) -> None:
    try:
        check_path(path)
    except ElfError:
        return
    folder = Path("/some/folder")
    assert Path(*(part for part in (folder / path).parts if part != "..")) == folder / path
    assert folder in (folder / path).parents


def edited(store: Store, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the recipe of the model, and let the manifest say so, with right checksums and keys."""
    found = catalog(store)
    unit = found.manifest("m").units[0]
    recipe = json.loads(found.recipe(unit).to_bytes())
    change(recipe)
    data = np.frombuffer(json.dumps(recipe).encode(), np.uint8)
    payload = encode(data, "u8", data.shape, Stored())
    assert payload is not None
    key = exact_key(data)
    put(store, key, Header(True, key), payload)
    unit = dataclasses.replace(unit, recipe=(key,), recipe_bytes=data.size)
    Places(store.path).model("m").write_bytes(Manifest("m", (unit,)).to_bytes())


def put(store: Store, key: str, header: Header, payload: bytes) -> None:
    """Store an object, whatever it is."""
    path = Places(store.path).object(key)
    path.unlink(missing_ok=True)
    staged = Staged(Places(store.path))
    staged.add(key, header, payload, -1)
    (partial,) = [partial for partial, _ in staged.waiting.values()]
    partial.replace(path)


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown dtype": lambda recipe: recipe["layers"][0].update(dtype="f33"),
    "unknown role": lambda recipe: recipe["layers"][0].update(role="boss"),
    "a huge shape": lambda recipe: recipe["layers"][0].update(shape=[1 << 40, 1 << 20]),
    "a negative shape": lambda recipe: recipe["layers"][0].update(shape=[-1, 5]),
    "a shape of texts": lambda recipe: recipe["layers"][0].update(shape=["a"]),
    "outside of the file": lambda recipe: recipe["layers"][0].update(start=1 << 40),
    "over another tensor": lambda recipe: recipe["layers"][1].update(start=recipe["layers"][0]["start"] + 8),
    "in no part": lambda recipe: recipe["layers"][0].update(part=1),
    "a key that is a path": lambda recipe: recipe["layers"][0].update(objects=["../../../etc/passwd"]),
    "too few objects": lambda recipe: recipe["layers"][0].update(objects=[]),
    "a step that is a text": lambda recipe: recipe["layers"][0].update(step="1"),
    "an unknown field": lambda recipe: recipe["layers"][0].update(more=1),
    "a part outside": lambda recipe: recipe.update(others=["../x"], sizes=[*recipe["sizes"], 0]),
    "no layers": lambda recipe: recipe.pop("layers"),
    "layers that are a number": lambda recipe: recipe.update(layers=3),
    "a huge file": lambda recipe: recipe.update(sizes=[1 << 60]),
    "a skeleton of nothing": lambda recipe: recipe.update(skeleton=[]),
    "other bytes": lambda recipe: recipe["layers"][0].update(objects=recipe["layers"][1]["objects"]),
    "itself": lambda recipe: recipe["layers"][0].update(objects=recipe["skeleton"]),
}


@pytest.mark.parametrize("name", sorted(EDITS))
def test_an_impossible_recipe_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    edited(store, EDITS[name])
    with pytest.raises(ElfError):
        store.restore("m", tmp_path / "back")
    assert not list((tmp_path / "back").rglob("*"))
    assert store.verify().damages or name in ("other bytes", "itself")


def test_a_recipe_that_lies_about_values_is_not_restored(store: Store, tmp_path: Path) -> None:
    def swap(recipe: dict[str, Any]) -> None:
        weight, other = (layer for layer in recipe["layers"] if layer["name"].endswith("weight"))
        weight["objects"], other["objects"] = other["objects"], weight["objects"]

    edited(store, swap)
    with pytest.raises(ElfError, match="is not the file that was added"):
        store.restore("m", tmp_path / "back")
    assert not list((tmp_path / "back").rglob("*"))


def test_chains_that_never_end_or_are_too_long_are_refused(store: Store) -> None:
    data = np.zeros(64, np.uint8)
    payload = encode(data, "u8", (64,), DELTAS[0].against(data))
    assert payload is not None
    keys = [exact_key(np.full(64, number, np.uint8)) for number in range(40)]
    for number, key in enumerate(keys):  # the last one leads to the first again
        put(store, key, Header(True, key, keys[(number + 1) % len(keys)], 64), payload)
    objects = Objects(Places(store.path))
    with pytest.raises(ElfError, match="its chain of bases does not end"):
        objects.read(keys[0])
    assert len(store.verify().damages) == len(keys)
    store.gc()
    assert store.verify().damages == ()


def test_an_object_whose_base_has_another_length_is_refused(store: Store) -> None:
    short, long = np.zeros(64, np.uint8), np.zeros(65, np.uint8)
    payload = encode(long, "u8", (65,), DELTAS[0].against(long))
    plain = encode(short, "u8", (64,), Stored())
    assert payload is not None
    assert plain is not None
    put(store, exact_key(short), Header(True, exact_key(short)), plain)
    put(store, exact_key(long), Header(True, exact_key(long), exact_key(short), 65), payload)
    with pytest.raises(ElfError, match="the relative has another dtype or length"):
        Objects(Places(store.path)).read(exact_key(long))


def test_an_object_that_is_not_what_its_key_says_is_named(store: Store) -> None:
    data = np.arange(64, dtype=np.uint8)
    payload = encode(data, "u8", (64,), Stored())
    assert payload is not None
    key = exact_key(data[::-1].copy())
    put(store, key, Header(True, key), payload)
    (damage,) = store.verify().damages
    assert (damage.path, damage.what) == (
        f"objects/{key[:2]}/{key}",
        "damaged: it decodes to other bytes than were stored",
    )


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"[" * 100_000, b'{"manifest": {}}', b"\xff\xfe", b"1" * 9999]
)
def test_what_is_no_manifest_and_no_recipe_is_refused(data: bytes) -> None:
    with pytest.raises(ElfError, match="damaged manifest"):
        read_manifest(data, "m")
    with pytest.raises(ElfError, match="damaged recipe"):
        read_recipe(data)


def test_a_newer_manifest_is_refused_by_name() -> None:
    body = {"version": 2, "name": "m", "units": []}
    text = json.dumps(body, separators=(",", ":")).encode()
    whole = {"checksum": xxhash.xxh3_128_hexdigest(text), "manifest": body}
    with pytest.raises(ElfError, match="it has manifest version 2; this library reads version 1"):
        read_manifest(json.dumps(whole).encode(), "m")


def test_a_manifest_under_another_name_is_damage(store: Store) -> None:
    places = Places(store.path)
    places.model("m").rename(places.model("other"))
    assert [damage.path for damage in store.verify().damages] == ["models/other.json"]
    with pytest.raises(ElfError, match="damaged manifest"):
        store.list()


def test_the_target_folder_is_made_where_it_is_missing(store: Store, tmp_path: Path) -> None:
    assert target_of(tmp_path / "a" / "b", "c/d") == tmp_path / "a" / "b" / "c" / "d"
    assert restored(store, "m", tmp_path / "x" / "y") == files(tmp_path / "m.safetensors")
