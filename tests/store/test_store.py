"""What goes into a store comes out of it, and what is there twice is kept once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import format_files
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from store_models import LOSSLESS, files, is_sound, objects, restored, save, tuned, weights

from elf.bound import Bound
from elf.errors import ElfError
from elf.formats import open_model
from elf.rule import Rule
from elf.store import Store
from elf.store.objects import DEPTH, Objects
from elf.store.places import Places

if TYPE_CHECKING:
    from analysis.sources import Pulled


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def added(store: Store, path: Path, name: str, rule: Rule = LOSSLESS, relative_to: str = "auto") -> int:
    """Add a model; the bytes by which the objects grew."""
    return store.add(path, name, rule=rule, relative_to=relative_to).new_bytes


def test_the_tiny_study_comes_back_byte_for_byte_and_smaller(tiny_study: Pulled, store: Store, tmp_path: Path) -> None:
    wanted = {}
    for model in tiny_study.models:
        folder = tmp_path / "models" / model.family
        for file in model.files:
            target = folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.path, target)
        store.add(folder, model.family, rule=LOSSLESS, jobs=2)
        wanted[model.family] = files(folder)
    for name, content in wanted.items():
        assert restored(store, name, tmp_path / "back") == content
    assert is_sound(store)
    found = store.stats()
    assert found.steps["identical files"] < 0  # two of mediapipe's files are the same
    assert found.steps["identical layers"] < 0  # silero-vad has the same tensors in several formats
    assert found.steps["deltas"] < 0  # one of speechmos' models is tuned from the other
    assert sum(found.steps.values()) == found.stored == sum(map(len, files(store.path).values()))
    assert found.stored < 0.85 * found.original


def test_a_file_of_an_unknown_format_an_empty_one_and_a_damaged_one_come_back(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save(folder / "sub" / "good.safetensors", weights(1))
    (folder / "notes.txt").write_bytes(b"just text")
    (folder / "nothing").touch()
    (folder / "cut.safetensors").write_bytes((folder / "sub" / "good.safetensors").read_bytes()[:-1])
    notes = store.add(folder, "m").notes
    assert len(notes) == 1
    assert "cut.safetensors" in notes[0]
    back = restored(store, "m", tmp_path / "back")
    assert {name: content for name, content in back.items() if "good" not in name} == {
        name: content for name, content in files(folder).items() if "good" not in name
    }


def test_equal_bytes_of_other_types_and_shapes_are_kept_once_and_come_back_as_they_were(
    store: Store, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).normal(size=(64, 32)).astype("<f4")
    twins = [values, values.reshape(32, 64), values.view("<i4"), values.view("<u8"), values.view("u1").reshape(-1)]
    for number, twin in enumerate(twins):
        save(tmp_path / f"{number}.safetensors", {"tensor": twin})
        added(store, tmp_path / f"{number}.safetensors", str(number))
    assert sum(path.stat().st_size > values.nbytes // 2 for path in objects(store)) == 1
    for number in range(len(twins)):
        back = restored(store, str(number), tmp_path / "back")
        assert back == files(tmp_path / f"{number}.safetensors")
    assert is_sound(store)


def test_equal_bytes_that_may_be_rounded_as_one_type_are_exact_as_another(store: Store, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 0.05, (64, 32)).astype("<f4")
    twins = {"f32": values, "f64": values.view("<f8"), "i32": values.view("<i4")}
    for name, twin in twins.items():
        added(store, save(tmp_path / f"{name}.safetensors", {"weight": twin}), name, Rule())
        store.restore(name, tmp_path / "back")
        with open_model(tmp_path / "back" / f"{name}.safetensors") as model:
            found = model.bytes(model.tensors[0]).view(twin.dtype).reshape(twin.shape)
        assert np.all(np.abs(found - twin) <= {"f32": 2.0**-24, "f64": 2.0**-53, "i32": 0}[name])
    assert is_sound(store)


def test_a_model_that_is_there_already_takes_only_a_manifest(store: Store, tmp_path: Path) -> None:
    save(tmp_path / "one.safetensors", weights(1))
    added(store, tmp_path / "one.safetensors", "one")
    shutil.copy(tmp_path / "one.safetensors", tmp_path / "two.safetensors")
    assert added(store, tmp_path / "two.safetensors", "two") == 0
    assert restored(store, "two", tmp_path / "back") == files(tmp_path / "two.safetensors")
    assert store.stats().steps["identical files"] == -(tmp_path / "one.safetensors").stat().st_size


def test_layers_are_shared_between_formats(store: Store, tmp_path: Path) -> None:
    tensors = weights(1)
    save(tmp_path / "a.safetensors", tensors)
    np.savez(tmp_path / "a.npz", **tensors)
    first = added(store, tmp_path / "a.safetensors", "safetensors")
    assert added(store, tmp_path / "a.npz", "npz") < first / 4
    assert restored(store, "npz", tmp_path / "back") == files(tmp_path / "a.npz")


def test_rounded_values_keep_their_bound_and_zip_checksums_hold(store: Store, tmp_path: Path) -> None:
    tensors = weights(1)
    np.savez(tmp_path / "a.npz", **tensors)
    added(store, tmp_path / "a.npz", "a", Rule(bound=Bound("absolute", 1e-5)))
    store.restore("a", tmp_path / "back")
    with np.load(tmp_path / "back" / "a.npz") as back:  # checks the checksums
        for name, array in tensors.items():
            assert np.all(np.abs(back[name] - array) <= (1e-5 if array.ndim == 2 else 0))
        assert any(np.any(back[name] != tensors[name]) for name in tensors)
    assert store.list()[0].lossy
    assert is_sound(store)


def test_a_rounded_model_does_not_stand_in_for_an_exact_one_but_the_other_way_round(
    store: Store, tmp_path: Path
) -> None:
    save(tmp_path / "a.safetensors", weights(1))
    added(store, tmp_path / "a.safetensors", "rounded", Rule())
    assert added(store, tmp_path / "a.safetensors", "again", Rule()) == 0
    assert added(store, tmp_path / "a.safetensors", "looser", Rule(bound=Bound("absolute", 1e-5))) > 0
    assert added(store, tmp_path / "a.safetensors", "exact") > 0
    assert restored(store, "exact", tmp_path / "back") == files(tmp_path / "a.safetensors")
    assert added(store, tmp_path / "a.safetensors", "last", Rule(bound=Bound("absolute", 1e-6))) == 0
    assert restored(store, "last", tmp_path / "back") == files(tmp_path / "a.safetensors")


def test_a_tensor_that_one_name_keeps_is_not_rounded_under_another(store: Store, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 0.05, (64, 32)).astype("<f4")
    torch = format_files.Torch()
    tied = torch.tensor(values)
    (tmp_path / "m.pt").write_bytes(torch.zip({"embed.weight": tied, "head.weight": tied}))
    for keep in ("embed.weight", "head.weight"):
        added(store, tmp_path / "m.pt", keep, Rule(keep=(keep,)))
        assert not store.list()[-1].lossy
    assert restored(store, "head.weight", tmp_path / "back") == files(tmp_path / "m.pt")
    assert added(Store(tmp_path / "other"), tmp_path / "m.pt", "m", Rule()) > 0
    assert Store(tmp_path / "other").list()[0].lossy


def test_a_fine_tune_is_kept_as_what_differs(store: Store, tmp_path: Path) -> None:
    base = weights(1, rows=400)
    save(tmp_path / "base.safetensors", base)
    save(tmp_path / "tuned.safetensors", tuned(base, 2))
    first = added(store, tmp_path / "base.safetensors", "base")
    alone = added(Store(tmp_path / "other"), tmp_path / "tuned.safetensors", "tuned")
    assert added(store, tmp_path / "tuned.safetensors", "plain", relative_to="none") > 0.9 * first
    store.remove("plain")
    store.gc()
    assert added(store, tmp_path / "tuned.safetensors", "tuned", relative_to="base") < 0.4 * alone
    assert restored(store, "tuned", tmp_path / "back") == files(tmp_path / "tuned.safetensors")
    store.remove("base")
    store.gc()
    assert restored(store, "tuned", tmp_path / "again") == files(tmp_path / "tuned.safetensors")
    assert store.stats().steps["bases kept"] > 0
    assert is_sound(store)


def test_the_most_similar_of_several_relatives_is_found(store: Store, tmp_path: Path) -> None:
    bases = [weights(seed, rows=400) for seed in range(9)]
    for seed, base in enumerate(bases):
        added(store, save(tmp_path / f"{seed}.safetensors", base), str(seed))
    save(tmp_path / "tuned.safetensors", tuned(bases[7], 9))
    grown = added(store, tmp_path / "tuned.safetensors", "tuned")
    assert grown < 0.4 * objects_bytes(store) / 10


def objects_bytes(store: Store) -> int:
    return sum(path.stat().st_size for path in objects(store))


@pytest.mark.parametrize("rule", [LOSSLESS, Rule(bound=Bound("absolute", 2.0**-18))])
def test_chains_of_fine_tunes_are_bounded_and_come_back(store: Store, tmp_path: Path, rule: Rule) -> None:
    tensors = weights(0, rows=200, layers=1)
    del tensors["layer.0.bias"]
    wanted = []
    for step in range(2 * DEPTH + 2):
        path = save(tmp_path / str(step) / "model.safetensors", tensors)
        grown = added(store, path, f"step {step}", rule, f"step {step - 1}" if step else "none")
        assert step == 0 or grown < 0.6 * tensors["layer.0.weight"].nbytes
        wanted.append(tensors)
        tensors = tuned(tensors, step)
    assert all(listed.lossy != rule.lossless for listed in store.list())
    found = Objects(Places(store.path))
    depths = [len(found.chain(path.name)) - 1 for path in objects(store)]
    assert max(depths) == DEPTH
    for step, original in enumerate(wanted):
        store.restore(f"step {step}", tmp_path / "back" / str(step))
        with open_model(tmp_path / "back" / str(step) / "model.safetensors") as model:
            values = model.bytes(model.tensors[0]).view("<f4")
        allowed = 0 if rule.lossless else 2.0**-18
        assert np.all(np.abs(values - original["layer.0.weight"].reshape(-1)) <= allowed)
    assert is_sound(store)


def test_a_tensor_larger_than_a_piece_comes_back_and_its_unchanged_pieces_are_shared(
    store: Store, tmp_path: Path
) -> None:
    large = np.zeros((9 << 20,), "<f4")  # 36 MiB
    large[::4096] = np.arange(large[::4096].size)
    save(tmp_path / "a.safetensors", {"table": large})
    large[-1] = 7
    save(tmp_path / "b.safetensors", {"table": large})
    (tmp_path / "c.bin").write_bytes(b"unknown" + large.tobytes())
    for name in ("a.safetensors", "b.safetensors", "c.bin"):
        store.add(tmp_path / name, name, rule=LOSSLESS, relative_to="none", jobs=2)
        store.restore(name, tmp_path / "back", jobs=2)
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert store.stats().steps["identical layers"] == -(32 << 20)


def test_the_same_models_give_the_same_store_with_any_number_of_jobs(tmp_path: Path) -> None:
    base = weights(1, layers=6)
    base["twin"] = base["layer.0.weight"]
    models = [save(tmp_path / f"{i}.safetensors", model) for i, model in enumerate((base, tuned(base, 2)))]
    stores = []
    for jobs in (1, 3):
        store = Store(tmp_path / f"jobs{jobs}")
        for path in models:
            store.add(path, path.stem, jobs=jobs)
        stores.append(files(store.path))
    assert stores[0] == stores[1]


def test_external_data_goes_with_its_model(store: Store, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(64, 32)).astype("<f4")
    graph = onnx.helper.make_graph([], "g", [], [], [numpy_helper.from_array(values, "weight")])
    (tmp_path / "model").mkdir()
    onnx.save(
        onnx.helper.make_model(graph), tmp_path / "model" / "m.onnx", save_as_external_data=True, location="m.data"
    )
    store.add(tmp_path / "model", "folder", rule=LOSSLESS)
    assert store.add(tmp_path / "model" / "m.onnx", "file", rule=LOSSLESS).new_bytes == 0
    for name in ("folder", "file"):
        assert restored(store, name, tmp_path / "back") == files(tmp_path / "model")
    assert [listed.files for listed in store.list()] == [2, 2]


def test_one_file_of_a_model_can_be_restored_alone(store: Store, tmp_path: Path) -> None:
    save(tmp_path / "m" / "a" / "one.safetensors", weights(1))
    save(tmp_path / "m" / "two.safetensors", weights(2))
    store.add(tmp_path / "m", "m", rule=LOSSLESS)
    assert store.restore("m", tmp_path / "back", file="a/one.safetensors") == [tmp_path / "back/a/one.safetensors"]
    assert list(files(tmp_path / "back")) == ["a/one.safetensors"]
    with pytest.raises(ElfError, match=r"no file 'three'; there are: 'a/one.safetensors', 'two.safetensors'"):
        store.restore("m", tmp_path / "back", file="three")


def test_links_to_files_are_followed_and_links_to_folders_are_told(store: Store, tmp_path: Path) -> None:
    save(tmp_path / "blobs" / "1", weights(1))
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to(tmp_path / "blobs" / "1")
    (tmp_path / "snapshot" / "more").symlink_to(tmp_path / "blobs")
    notes = store.add(tmp_path / "snapshot", "m", rule=LOSSLESS).notes
    assert [note for note in notes if "is a link to a folder" in note] == list(notes) != []
    assert restored(store, "m", tmp_path / "back") == {"model.safetensors": (tmp_path / "blobs" / "1").read_bytes()}


def refused(match: str, store: Store, path: Path, name: str = "m", relative_to: str = "auto") -> None:
    with pytest.raises(ElfError, match=match):
        store.add(path, name, relative_to=relative_to)


def test_what_cannot_be_added_is_refused_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    path = save(tmp_path / "a.safetensors", weights(1))
    store.add(path, "there")
    before = files(store.path)
    refused("there is a model 'there' already", store, path, "there")
    refused("cannot be called ''", store, path, "")
    refused("cannot be called", store, path, "a\nb")
    refused("cannot be called", store, path, "x" * 200)
    refused("cannot be called 'auto'", store, path, "auto")
    refused("has no model 'gone'; there are: 'there'", store, path, relative_to="gone")
    refused("cannot be read: No such file", store, tmp_path / "missing")
    refused("holds the store itself", store, tmp_path)
    (tmp_path / "empty").mkdir()
    refused("there are no files in it", store, tmp_path / "empty")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a\\b").touch()
    refused("is no plain relative path", store, tmp_path / "odd")
    with pytest.raises(ElfError, match="names no tensor"):
        store.add(path, "m", rule=Rule(keep=("typo.*",)))
    assert files(store.path) == before


@pytest.mark.parametrize("name", ["org/model", "..", ".hidden", "ünïcode ☃", "a%2Fb", "con.json", "x" * 150])
def test_any_printable_name_can_be_given(store: Store, tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "a.safetensors", weights(1))
    store.add(path, name, rule=LOSSLESS)
    assert [listed.name for listed in store.list()] == [name]
    assert store.verify().strangers == ()
    store.restore(name, tmp_path / "back")
    assert files(tmp_path / "back") == files(path)
    store.remove(name)
    assert store.list() == []


def test_a_folder_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    path = save(tmp_path / "a.safetensors", weights(1))
    for call in (Store.list, Store.stats, Store.gc):
        with pytest.raises(ElfError, match="is no store: there is no"):
            call(Store(tmp_path / "mine"))
    refused("is no store and not empty", Store(tmp_path / "mine"), path)
    assert files(tmp_path / "mine") == {"thesis.tex": b""}


def test_a_store_that_was_killed_while_it_was_made_can_be_made_again(store: Store, tmp_path: Path) -> None:
    (store.path / "objects").mkdir(parents=True)
    (store.path / "lock").touch()
    (store.path / f".store.json.{'0' * 16}.tmp").write_bytes(b"{")
    path = save(tmp_path / "a.safetensors", weights(1))
    added(store, path, "a")
    assert restored(store, "a", tmp_path / "back") == files(path)
    assert store.gc().partial == 1


def test_gc_removes_what_nobody_needs_and_says_beforehand(store: Store, tmp_path: Path) -> None:
    for seed in (1, 2):
        store.add(save(tmp_path / f"{seed}.safetensors", weights(seed)), str(seed))
    store.remove("1")
    before = files(store.path)
    planned = store.gc(dry_run=True)
    assert files(store.path) == before
    assert planned == store.gc()
    assert sum(map(len, before.values())) - sum(map(len, files(store.path).values())) == planned.bytes > 0
    assert store.gc().objects == 0
    assert is_sound(store)
    with pytest.raises(ElfError, match="has no model '1'; there are: '2'"):
        store.remove("1")


def test_steps_sum_to_every_byte_of_the_folder(store: Store, tmp_path: Path) -> None:
    def holds(unneeded: bool) -> None:
        found = store.stats()
        assert sum(found.steps.values()) == found.stored == sum(map(len, files(store.path).values()))
        assert (found.steps["unneeded"] > 0) == unneeded

    base = weights(1)
    models: Sequence[tuple[str, Rule]] = [("a", LOSSLESS), ("b", Rule()), ("c", LOSSLESS)]
    for seed, (name, rule) in enumerate(models):
        store.add(save(tmp_path / name / "m.safetensors", tuned(base, seed)), name, rule=rule)
        holds(unneeded=False)
    store.remove("a")
    holds(unneeded=True)
    store.gc()
    (store.path / "notes.txt").write_text("mine")
    holds(unneeded=True)
