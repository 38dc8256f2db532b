"""Pickles as inert data: a machine that knows what the opcodes build, and neither imports nor calls anything.

The standard unpicklers are not used, not even restricted ones: both hash whatever a file makes a key (a deeply nested
tuple overflows the C stack), and the C one sizes its memo and its byte strings by what the file claims.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from elf.errors import ElfError

# An opcode of one byte can make an object of a hundred; the largest real checkpoints have some millions.
MAX_STEPS = 5_000_000


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function that the pickle names; it is never looked up."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """Its dotted name."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Blob:
    """A literal of bytes: where it lies in the pickled data."""

    start: int
    length: int


@dataclass(slots=True, eq=False)
class Pairs:
    """A dict: its pairs in order, keys not hashed."""

    items: list[tuple[object, object]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Call:
    """An object that loading would have made by calling `function`: arguments, state and content."""

    function: object
    args: object
    state: object = None
    pairs: Pairs = field(default_factory=Pairs)
    values: list[object] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """A reference to something stored outside the pickle."""

    key: object


@dataclass(frozen=True, slots=True, eq=False)
class Pickle:
    """What one pickle holds, where it ends, and all that it refers to outside of it."""

    root: object
    stop: int
    persistents: list[Persistent]


def load(data: memoryview, start: int = 0) -> Pickle:
    """The pickle at `start`.

    Numbers, text, None, lists and tuples are themselves (a set is a list), everything else one of this module's
    classes. Raises ElfError, or IndexError, KeyError, TypeError, ValueError or struct.error, when it is damaged.
    """
    machine = _Machine(data, start)
    return Pickle(machine.run(), machine.at, machine.persistents)


class _Machine:
    def __init__(self, data: memoryview, at: int) -> None:
        self.data = data
        self.at = at
        self.stack: list[object] = []
        self.outer: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.persistents: list[Persistent] = []

    def run(self) -> object:
        for _ in range(MAX_STEPS):
            code = self.take(1)[0]
            if code == _STOP:
                return self.stack.pop()
            step = _STEPS.get(code)
            if step is None:
                raise ElfError(f"pickle opcode {code} at byte {self.at - 1} is unknown")
            step(self)
        raise ElfError(f"the pickle has more than {MAX_STEPS} steps")

    def take(self, count: int) -> memoryview:
        if count < 0 or count > len(self.data) - self.at:
            raise ElfError(f"the pickle is cut off: byte {self.at} claims {count} more")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code: str) -> int:
        return int(struct.unpack(code, self.take(struct.calcsize(code)))[0])

    def line(self) -> bytes:
        parts: list[bytes] = []
        while not parts or b"\n" not in parts[-1]:
            parts.append(bytes(self.take(min(256, max(1, len(self.data) - self.at)))))
        line, _, rest = b"".join(parts).partition(b"\n")
        self.at -= len(rest)
        return line

    def push(self, value: object) -> None:
        self.stack.append(value)

    def marked(self) -> list[object]:
        values, self.stack = self.stack, self.outer.pop()
        return values

    def text(self, code: str) -> None:
        self.push(str(self.take(self.number(code)), "utf-8", "surrogatepass"))

    def latin(self, code: str) -> None:
        """Python 2's str: text or bytes, nobody knows."""
        self.push(str(self.take(self.number(code)), "latin-1"))

    def blob(self, code: str) -> None:
        length = self.number(code)
        self.push(Blob(self.at, length))
        self.take(length)

    def integer(self, code: str) -> None:
        self.push(int.from_bytes(self.take(self.number(code)), "little", signed=True))

    def decimal(self) -> None:
        line = self.line()
        self.push({b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line.rstrip(b"L") or b"0"))

    def quoted_text(self) -> None:
        self.push(codecs.escape_decode(self.line().strip()[1:-1])[0].decode("latin-1"))

    def tuple_of(self, count: int) -> None:
        values = [self.stack.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def dict_of_marked(self) -> None:
        values = self.marked()
        self.push(Pairs(_paired(values)))

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.push(self.memo[index])

    def refer(self, key: object) -> None:
        self.persistents.append(Persistent(key))
        self.push(self.persistents[-1])

    def name(self) -> None:
        module, name = self.line().decode(), self.line().decode()
        self.push(Global(module, name))

    def name_of_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ElfError("a pickle names a class by something that is no text")
        self.push(Global(module, name))

    def call(self) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        self.push(Call(function, args))

    def call_with_keywords(self) -> None:
        keywords, args, function = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.push(Call(function, args, state=keywords))

    def old_instance(self) -> None:
        args = tuple(self.marked())
        self.name()
        self.push(Call(self.stack.pop(), args))

    def old_object(self) -> None:
        function, *args = self.marked()
        self.push(Call(function, tuple(args)))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Call):
            raise ElfError("a pickle gives a state to something that is no object")
        target.state = state

    def set_items(self, values: list[object]) -> None:
        target = self.stack[-1]
        pairs = target.pairs if isinstance(target, Call) else target
        if not isinstance(pairs, Pairs):
            raise ElfError("a pickle gives keys to something that is no dict")
        pairs.items += _paired(values)

    def append(self, values: list[object]) -> None:
        target = self.stack[-1]
        where = target.values if isinstance(target, Call) else target
        if not isinstance(where, list):
            raise ElfError("a pickle appends to something that is no list")
        where += values

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.marked()

    def mark(self) -> None:
        self.outer.append(self.stack)
        self.stack = []


def _paired(values: list[object]) -> list[tuple[object, object]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _last(machine: _Machine, count: int) -> list[object]:
    values = machine.stack[-count:]
    del machine.stack[-count:]
    return values


_STOP = ord(".")
# The opcodes of pickletools, protocols 0 to 5, without out-of-band buffers (Q after \x97, and \x98).
_STEPS: dict[int, Callable[[_Machine], object]] = {
    ord(code): step
    for code, step in {
        "\x80": lambda m: m.take(1),
        "\x95": lambda m: m.take(8),  # a frame: only how much to read ahead
        "(": _Machine.mark,
        "0": _Machine.pop,
        "1": lambda m: m.marked(),
        "2": lambda m: m.push(m.stack[-1]),
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "I": _Machine.decimal,
        "L": _Machine.decimal,
        "J": lambda m: m.push(m.number("<i")),
        "K": lambda m: m.push(m.number("<B")),
        "M": lambda m: m.push(m.number("<H")),
        "\x8a": lambda m: m.integer("<B"),
        "\x8b": lambda m: m.integer("<i"),
        "F": lambda m: m.push(float(m.line())),
        "G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
        "S": _Machine.quoted_text,
        "T": lambda m: m.latin("<i"),
        "U": lambda m: m.latin("<B"),
        "V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
        "X": lambda m: m.text("<I"),
        "\x8c": lambda m: m.text("<B"),
        "\x8d": lambda m: m.text("<Q"),
        "B": lambda m: m.blob("<I"),
        "C": lambda m: m.blob("<B"),
        "\x8e": lambda m: m.blob("<Q"),
        "\x96": lambda m: m.blob("<Q"),
        "]": lambda m: m.push([]),
        "}": lambda m: m.push(Pairs()),
        ")": lambda m: m.push(()),
        "\x8f": lambda m: m.push([]),
        "l": lambda m: m.push(m.marked()),
        "\x91": lambda m: m.push(m.marked()),
        "d": _Machine.dict_of_marked,
        "t": lambda m: m.push(tuple(m.marked())),
        "\x85": lambda m: m.tuple_of(1),
        "\x86": lambda m: m.tuple_of(2),
        "\x87": lambda m: m.tuple_of(3),
        "a": lambda m: m.append(_last(m, 1)),
        "e": lambda m: m.append(m.marked()),
        "\x90": lambda m: m.append(m.marked()),
        "s": lambda m: m.set_items(_last(m, 2)),
        "u": lambda m: m.set_items(m.marked()),
        "p": lambda m: m.remember(int(m.line())),
        "q": lambda m: m.remember(m.number("<B")),
        "r": lambda m: m.remember(m.number("<I")),
        "\x94": lambda m: m.remember(len(m.memo)),
        "g": lambda m: m.recall(int(m.line())),
        "h": lambda m: m.recall(m.number("<B")),
        "j": lambda m: m.recall(m.number("<I")),
        "c": _Machine.name,
        "\x93": _Machine.name_of_stack,
        "R": _Machine.call,
        "\x81": _Machine.call,
        "\x92": _Machine.call_with_keywords,
        "i": _Machine.old_instance,
        "o": _Machine.old_object,
        "b": _Machine.build,
        "P": lambda m: m.refer(m.line().decode()),
        "Q": lambda m: m.refer(m.stack.pop()),
        "\x82": lambda m: m.push(Global("copyreg", str(m.number("<B")))),
        "\x83": lambda m: m.push(Global("copyreg", str(m.number("<H")))),
        "\x84": lambda m: m.push(Global("copyreg", str(m.number("<i")))),
    }.items()
}


def named(pairs: Pairs) -> dict[str, object]:
    """A dict's values by its keys as text: of two equal keys the last counts, one that is no scalar is a position."""
    scalar = str | int | float | None
    return {
        str(key) if isinstance(key, scalar) else f"key{position}": value
        for position, (key, value) in enumerate(pairs.items)
    }
