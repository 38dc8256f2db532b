"""Killed at any step, on a full disk, or beside others: the store is sound, and what was there is still there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_models import LOSSLESS, files, is_sound, restored, save, single, tuned, weights

from elf.errors import ElfError
from elf.store import Store

HERE = Path(__file__).parent
PATH = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}


@pytest.fixture
def template(tmp_path: Path) -> Store:
    """A store with a model, and with objects that gc will remove: one of them the base of another."""
    store = Store(tmp_path / "template")
    for name, tensors in (("gone", single(1)), ("tuned", tuned(single(1), 2)), ("old", single(3))):
        store.add(save(tmp_path / name / "m.safetensors", tensors), name, rule=LOSSLESS)
    save(tmp_path / "new" / "m.safetensors", {**tuned(single(3), 4), "more": single(5)["weight"]})
    store.remove("gone")
    store.remove("tuned")
    return store


def interrupted(how: str, verb: str, template: Store, source: Path, out: Path) -> list[Store]:
    """What every interrupted process left."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, HERE / "killed.py", how, template.path, verb, source, out],
        env=PATH, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Store(out / str(step)) for step in range(1, int(done.stdout) + 1)]


@pytest.mark.parametrize("how", ["kill", "fill"])
def test_an_add_that_does_not_end_leaves_what_was_there_and_can_be_done_again(
    how: str, template: Store, tmp_path: Path
) -> None:
    left = interrupted(how, "add", template, tmp_path / "new", tmp_path / "out")
    assert len(left) > 5
    for number, store in enumerate(left):
        found = store.verify()
        assert (found.damages, found.strangers) == ((), ())
        assert how == "kill" or found.partial == 0
        assert restored(store, "old", tmp_path / f"back{number}") == files(tmp_path / "old")
        if "new" not in {listed.name for listed in store.list()}:
            store.add(tmp_path / "new", "new", rule=LOSSLESS)
        store.gc()
        found = store.verify()
        assert (found.damages, found.unneeded, found.partial) == ((), 0, 0)
        assert restored(store, "new", tmp_path / f"back{number}") == files(tmp_path / "new")


@pytest.mark.parametrize("verb", ["gc", "remove"])
def test_a_gc_or_remove_that_is_killed_leaves_a_sound_store(verb: str, template: Store, tmp_path: Path) -> None:
    left = interrupted("kill", verb, template, tmp_path, tmp_path / "out")
    assert len(left) >= 2
    for number, store in enumerate(left):
        assert is_sound(store)
        assert restored(store, "old", tmp_path / f"back{number}") == files(tmp_path / "old")
        store.add(tmp_path / "tuned", "tuned again", rule=LOSSLESS)  # its objects may be there, and their base not
        store.gc()
        assert is_sound(store)
        assert restored(store, "tuned again", tmp_path / f"back{number}") == files(tmp_path / "tuned")


def test_a_restore_on_a_full_disk_leaves_what_was_there(template: Store, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "m.safetensors").write_bytes(b"mine")
    command = f"""
import resource
from elf.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
Store({str(template.path)!r}).restore("old", {str(target)!r})
"""
    done = subprocess.run([sys.executable, "-c", command], env=PATH, capture_output=True, text=True, check=False)
    assert "ElfError" in done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert files(target) == {"m.safetensors": b"mine"}


def test_writers_and_gc_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    base = weights(1, layers=6)
    models = {"one": base, "two": tuned(base, 2), "three": {**base, "more": weights(3)["layer.0.weight"]}}
    for name, tensors in models.items():
        save(tmp_path / name / "m.safetensors", tensors)
    tasks = [(tmp_path / name, name, 8) for name in models] + [("gc", "-", 20)]
    store = Store(tmp_path / "store")
    store.add(tmp_path / "one", "zero", rule=LOSSLESS)
    running = [
        subprocess.Popen(
            [sys.executable, HERE / "adds.py", store.path, *map(str, task)], env=PATH, stderr=subprocess.PIPE
        )
        for task in tasks
    ]
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 4, errors
    assert {listed.name for listed in store.list()} == {*models, "zero"}
    assert is_sound(store)
    for name in models:
        assert restored(store, name, tmp_path / "back") == files(tmp_path / name)


def test_two_writers_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    running = []
    for seed in (1, 2):
        source = save(tmp_path / str(seed) / "m.safetensors", weights(seed, layers=1)).parent
        command = [sys.executable, HERE / "adds.py", tmp_path / "store", source, "same", "1"]
        running.append(subprocess.Popen(command, env=PATH, stderr=subprocess.PIPE))
    errors = [process.communicate()[1].decode() for process in running]
    assert sorted(process.returncode for process in running) == [0, 1]
    assert any("there is a model 'same' already" in error for error in errors)
    winner = [process.returncode for process in running].index(0) + 1
    store = Store(tmp_path / "store")
    assert restored(store, "same", tmp_path / "back") == files(tmp_path / str(winner))
    assert is_sound(store)


def test_gc_waits_for_whoever_relies_on_objects(template: Store) -> None:
    from elf.store.places import Places

    gc = [sys.executable, HERE / "adds.py", template.path, "gc", "-", "1"]
    with Places(template.path).sharing():
        waiting = subprocess.Popen(gc, env=PATH)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(2)
        assert template.verify().unneeded > 0
    assert waiting.wait() == 0
    assert template.verify().unneeded == 0


def test_a_file_that_changes_while_it_is_read_is_not_stored_as_something_else(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", weights(1))
    store = Store(tmp_path / "store")

    def change(_: int) -> None:
        with path.open("r+b") as stream:
            stream.seek(-1, 2)
            stream.write(b"\xff")

    with pytest.raises(ElfError, match="changed while it was read"):
        store.add(path, "m", rule=LOSSLESS, progress=change)
    assert store.list() == []
    assert is_sound(store)
