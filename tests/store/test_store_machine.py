"""Any sequence of verbs, against a dictionary as the oracle."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from store_models import LOSSLESS, files, restored, save, tuned, weights

from elf.errors import ElfError
from elf.formats import open_model
from elf.rule import Rule
from elf.store import Store

NAMES = st.sampled_from(["a", "b", "c"])
VARIANTS = range(6)


def variant(number: int) -> dict[str, np.ndarray]:
    """Two families of a base, a fine-tune and a fine-tune of that."""
    tensors = weights(number % 2, layers=1, rows=20)
    for step in range(number // 2):
        tensors = tuned(tensors, step)
    return tensors


class StoreMachine(RuleBasedStateMachine):
    """A store and what should be in it: by name, which variant, and whether it may be rounded."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.sources = [save(self.root / str(i) / "m.safetensors", variant(i)).parent for i in VARIANTS]
        (self.sources[0] / "notes.txt").write_text("kept too")
        self.store = Store(self.root / "store")
        self.store.add(self.sources[0], "first", rule=LOSSLESS)
        self.model: dict[str, tuple[int, bool]] = {"first": (0, True)}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(
        name=NAMES, number=st.sampled_from(VARIANTS), lossless=st.booleans(), relative=st.sampled_from(["auto", "none"])
    )
    def add(self, name: str, number: int, lossless: bool, relative: str) -> None:
        asked = LOSSLESS if lossless else Rule()
        if name in self.model:
            with pytest.raises(ElfError, match="already"):
                self.store.add(self.sources[number], name, rule=asked)
            return
        self.store.add(self.sources[number], name, rule=asked, relative_to=relative)
        self.model[name] = (number, lossless)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if name in self.model:
            self.store.remove(name)
            del self.model[name]
        else:
            with pytest.raises(ElfError, match="has no model"):
                self.store.remove(name)

    @rule()
    def gc(self) -> None:
        planned = self.store.gc(dry_run=True)
        assert self.store.gc() == planned
        assert self.store.verify().unneeded == 0

    @rule(data=st.data())
    @precondition(lambda self: getattr(self, "model", None))
    def restore(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        number, lossless = self.model[name]
        with tempfile.TemporaryDirectory() as back:
            found = restored(self.store, name, Path(back))
            wanted = files(self.sources[number])
            assert found.keys() == wanted.keys()
            if lossless:
                assert found == wanted
            with open_model(Path(back) / name / "m.safetensors") as model:
                for tensor in model.tensors:
                    values = model.bytes(tensor).view("<f4").reshape(tensor.shape)
                    assert np.all(np.abs(values - variant(number)[tensor.name]) <= 2.0**-24)

    @invariant()
    def sound(self) -> None:
        if not hasattr(self, "store"):
            return
        found = self.store.verify()
        assert (found.damages, found.strangers, found.partial) == ((), (), 0)
        assert {listed.name for listed in self.store.list()} == set(self.model)
        counted = self.store.stats()
        assert sum(counted.steps.values()) == counted.stored == sum(map(len, files(self.store.path).values()))


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
