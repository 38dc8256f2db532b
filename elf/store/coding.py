"""One piece of a file becomes one object: the smallest of all codecs, and of deltas against a relative."""

from __future__ import annotations

from dataclasses import dataclass

from elf.choose import choose, plain_codecs
from elf.codecs import DELTAS
from elf.codecs.base import Values
from elf.codecs.nested import sample
from elf.formats.base import Bytes
from elf.payload import Payload
from elf.store.objects import Header, exact_key, rounded_key, viewed
from elf.tensor import DTYPES

WORTH = 0.95
"""A delta must take at most this of what the best other codec takes: it makes reading slower, and ties models."""

HOPE = 1.0
"""A delta that takes more than this of what the best other codec takes on a sample is not tried on the whole."""


@dataclass(frozen=True)
class Coded:
    """An object that is ready to be stored."""

    key: str
    header: Header
    payload: bytes


@dataclass(frozen=True)
class Base:
    """A stored piece that another may be coded against: its key and what it decodes to."""

    key: str
    data: Bytes


def code(data: Bytes, key: str, dtype: str, step: int | None, base: Base | None) -> Coded:
    """Code a piece of key `key`; with a `step`, its values may be rounded to multiples of 2^step.

    `data`: uint8, shape (n,), n > 0; `dtype` has a NumPy type. Rounded values are coded against the base too: what is a
    multiple of the step in both differs in fewer bits.
    """
    values = as_values(data, dtype)
    best = choose(values, dtype, values.shape, plain_codecs(step))
    kept = values if Payload(best).head.codec.lossless else Payload(best).decode()
    exact = kept is values or bool((kept.view("u1") == data).all())
    delta = None if base is None else _against(kept, dtype, as_values(base.data, dtype), best)
    content = exact_key(kept.view("u1"))
    name = key if exact or step is None else rounded_key(key, dtype, step)
    if base is None or delta is None:
        return Coded(name, Header(exact, content), best)
    return Coded(name, Header(exact, content, base.key, len(best)), delta)


def as_values(data: Bytes, dtype: str) -> Values:
    """The bytes as values of `dtype`, which has a NumPy type."""
    numpy = DTYPES[dtype].numpy
    assert numpy is not None  # see `Layer.coded`
    return viewed(data, numpy)


def delta_ratio(values: Values, dtype: str, base: Values) -> float:
    """Coded bytes a byte of `values` against `base`, of the same length, told from a sample."""
    few, near = sample(values), sample(base)
    sizes = [len(delta.against(near).encode(few, dtype) or few.data) for delta in DELTAS]
    return min(sizes) / few.nbytes


def _against(values: Values, dtype: str, base: Values, best: bytes) -> bytes | None:
    """The smallest delta if it is worth it beside the payload `best`; only tried where a sample says that it may be."""
    if base.shape != values.shape:
        return None
    few = sample(values)
    ratio = len(Payload(best).head.codec.encode(few, dtype) or few.data) / few.nbytes
    if delta_ratio(values, dtype, base) > HOPE * ratio:
        return None
    coded = choose(values, dtype, values.shape, [delta.against(base) for delta in DELTAS])
    return coded if len(coded) <= WORTH * len(best) else None
