from __future__ import annotations

import collections
import os
import pickle
import struct
import sys
import time
from fractions import Fraction
from pathlib import Path

import format_files as files
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elf.errors import ElfError
from elf.formats.base import DAMAGE
from elf.formats.pickles import MAX_STEPS, Blob, Call, Global, Pairs, Persistent, load, named


def _load(raw: bytes) -> object:
    pickled = load(memoryview(raw))
    assert pickled.stop == len(raw)
    return pickled.root


def _plain(value: object, raw: bytes) -> object:
    """What the machine built, as the standard unpickler would have given it."""
    match value:
        case Blob():
            return raw[value.start : value.start + value.length]
        case Pairs():
            return {_plain(key, raw): _plain(item, raw) for key, item in value.items}
        case list():
            return [_plain(item, raw) for item in value]
        case tuple():
            return tuple(_plain(item, raw) for item in value)
    return value


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(_VALUES, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_is_what_the_standard_unpickler_gives(value: object, protocol: int) -> None:
    raw = pickle.dumps(value, protocol)
    if protocol < 3:  # bytes are calls of a codec there
        raw = pickle.dumps(repr(value), protocol)
    assert _plain(_load(raw), raw) == pickle.loads(raw)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_become_inert_calls(protocol: int) -> None:
    counter = _load(pickle.dumps(collections.Counter(a=1), protocol))
    assert isinstance(counter, Call)
    assert counter.function == Global("collections", "Counter")
    ordered = _load(pickle.dumps(collections.OrderedDict(a=1), protocol))
    assert isinstance(ordered, Call)
    assert named(ordered.pairs) == {"a": 1}
    queue = _load(pickle.dumps(collections.deque([1, 2]), protocol))
    assert isinstance(queue, Call)
    assert queue.values == [1, 2]
    assert isinstance(_load(pickle.dumps(Fraction(1, 3), protocol)), Call)
    assert isinstance(_load(pickle.dumps(ValueError("x"), protocol)), Call)


def test_sets_are_lists() -> None:
    for protocol in (4, 5):
        assert sorted(_load(pickle.dumps({1, 2}, protocol))) == [1, 2]
        assert sorted(_load(pickle.dumps(frozenset({1, 2}), protocol))) == [1, 2]


def test_shared_objects_stay_shared_and_cycles_are_kept() -> None:
    shared: list[object] = []
    shared.append(shared)
    root = _load(pickle.dumps((shared, shared), 4))
    assert isinstance(root, tuple)
    assert root[0] is root[1]
    assert root[0][0] is root[0]


class _Evil:
    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        return (self.call[0], self.call[1:])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_in_a_pickle_ever_runs(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    for evil in (_Evil(os.mkdir, str(mark)), _Evil(exec, f"open({str(mark)!r}, 'w')"), _Evil(time.sleep, 1000)):
        pickled = load(memoryview(pickle.dumps({"a": [evil]}, protocol)))
        assert isinstance(pickled.root, Pairs)
    assert not mark.exists()


def test_classes_are_never_imported() -> None:
    raw = b"\x80\x02cantigravity\ngeohash\n)Rcthis\ns\n\x86."
    assert "antigravity" not in sys.modules
    root = _load(raw)
    assert isinstance(root, tuple)
    assert "antigravity" not in sys.modules
    assert "this" not in sys.modules


def test_python_two_wrote_pickles_too() -> None:
    assert _load(b"S'a\\x41'\n.") == "aA"
    assert _load(b"\x80\x02U\x03a\xffb.") == "a\xffb"
    assert _load(b"T\x02\0\0\0ab.") == "ab"
    assert _load(b"L12345678901234567890L\n.") == 12345678901234567890
    assert _load(b"(I01\nI00\nI7\nl.") == [True, False, 7]
    old = _load(b"(imodule\nClass\np0\n(dp1\nS'a'\nI1\nsb.")
    assert isinstance(old, Call)
    assert isinstance(old.state, Pairs)
    assert (old.function, old.state.items) == (Global("module", "Class"), [("a", 1)])
    instance = _load(b"(cmodule\nClass\nI1\no.")
    assert isinstance(instance, Call)
    assert instance.args == (1,)


def test_references_outside_are_collected() -> None:
    pickled = load(memoryview(files.pickled([files.Stored(("storage", 1)), files.Stored("x")])))
    assert [reference.key for reference in pickled.persistents] == [("storage", 1), "x"]
    assert isinstance(_load(b"Pkey\n."), Persistent)


def test_bytes_are_told_by_where_they_lie() -> None:
    raw = files.pickled([b"hello"])
    (blob,) = _load(raw)
    assert raw[blob.start : blob.start + blob.length] == b"hello"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80\x02",
        b"\x80\x04\x95" + bytes(8),
        b".",
        b"X\xff\xff\xff\xff.",
        b"\x8d" + b"\xff" * 8 + b".",
        b"\x8e" + b"\xff" * 8 + b".",
        b"\x96" + struct.pack("<Q", 1 << 40) + b".",
        b"\x8b\xff\xff\xff\x7f.",
        b"\x8b\xff\xff\xff\xff.",
        b"T\xff\xff\xff\xff.",
        b"h\x05.",
        b"j\xff\xff\xff\x7f.",
        b"g5\n.",
        b"0.",
        b"t.",
        b"K\1K\2b.",
        b"K\1K\2a.",
        b"K\1K\2K\3s.",
        b"}K\1s.",
        b"}(K\1u.",
        b"K\1\x85K\1\x93.",
        b"(o.",
        b"Ixyz\n.",
        b"I" + b"9" * 5000 + b"\n.",
        b"Fabc\n.",
        b"cno newline",
        b"X\x01\0\0\0\xff.",
        b"\x97.",
        b"\x98.",
        b"\xff.",
    ],
)
def test_a_damaged_pickle_is_refused(raw: bytes) -> None:
    with pytest.raises((ElfError, *DAMAGE)):
        load(memoryview(raw))


def test_a_memo_index_allocates_nothing() -> None:
    raw = b"]r\xff\xff\xff\xff."
    assert _load(raw) == []


def test_deeply_nested_objects_are_built_and_forgotten_without_recursion() -> None:
    deep = 100_000
    for raw in (b")" + b"\x85" * deep + b".", b"]" * deep + b"a" * (deep - 1) + b".", b"c\n\n" + b")R" * deep + b"."):
        del_me = _load(raw)
        assert del_me is not None
    keyed = b"}" + b")" + b"\x85" * deep + b"Ns."  # hashing this key would overflow the C stack
    assert isinstance(_load(keyed), Pairs)


def test_a_pickle_of_endless_steps_is_refused() -> None:
    with pytest.raises(ElfError, match="more than"):
        load(memoryview(b"N0" * (MAX_STEPS // 2 + 1)))


def test_dicts_are_named_by_key_and_the_last_of_two_equal_keys_counts() -> None:
    pairs = Pairs([("a", 1), (2, 2), (None, 3), ((1,), 4), ("a", 5)])
    assert named(pairs) == {"a": 5, "2": 2, "None": 3, "key3": 4}
