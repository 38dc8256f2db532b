"""XXH3, 128 bits, of many byte ranges of one buffer, without a call a range.

Source: the XXH3 specification (Yann Collet, xxHash, doc/xxhash_spec.md), seed 0, default secret. Only inputs of more
than 240 bytes are done here, which is where one algorithm serves all lengths; shorter ones have five special cases and
are left to the xxhash package, against which these kernels are tested.

Eight 64-bit lanes are kept in one vector, written as LLVM vector operations, because the compiler does not find them
by itself; it maps them to whatever the processor has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from elf.kernels import kernel

LONGEST_SHORT = 240
"""Inputs of at most this many bytes are not for these kernels."""

SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
        "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
        "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
    ),
    np.uint8,
)

PRIME32_1, PRIME32_2, PRIME32_3 = (np.uint64(prime) for prime in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D))
PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME64_5 = (
    np.uint64(prime)
    for prime in (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
)
AVALANCHE = np.uint64(0x165667919E3779F9)

STRIPE = 64
BLOCK = 1024  # 16 stripes: the secret moves on by 8 bytes a stripe and is used up after (192 - 64) / 8 of them
LAST_SECRET = 121  # where the secret of the last stripe starts: 192 - 64 - 7

I32, I64, I128 = ir.IntType(32), ir.IntType(64), ir.IntType(128)
LANES = ir.VectorType(I64, 8)
SWAPPED = ir.Constant(ir.VectorType(I32, 8), [1, 0, 3, 2, 5, 4, 7, 6])
UNDEFINED = ir.Constant(LANES, ir.Undefined)


def _load(builder: Any, pointer: Any, offset: Any, kind: Any) -> Any:
    """Load a value of IR type `kind` from any byte address."""
    return builder.load(builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer()), align=1)


def _all(value: int) -> Any:
    return ir.Constant(LANES, [value] * 8)


def _to_vector(builder: Any, lanes: Any) -> Any:
    vector = UNDEFINED
    for i in range(8):
        vector = builder.insert_element(vector, builder.extract_value(lanes, i), I32(i))
    return vector


def _to_tuple(builder: Any, vector: Any, lanes: Any) -> Any:
    for i in range(8):
        lanes = builder.insert_value(lanes, builder.extract_element(vector, I32(i)), i)
    return lanes


def _add_stripe(builder: Any, lanes: Any, data: Any, secret: Any) -> Any:
    """lane[i] += low half times high half of data[i] ^ secret[i], and += its neighbour's data."""
    mixed = builder.xor(data, secret)
    product = builder.mul(builder.and_(mixed, _all(0xFFFFFFFF)), builder.lshr(mixed, _all(32)))
    return builder.add(lanes, builder.add(product, builder.shuffle_vector(data, UNDEFINED, SWAPPED)))


@intrinsic
def _accumulate(_typing: Any, lanes: Any, data: Any, start: Any, secret: Any, secret_start: Any, stripes: Any) -> Any:
    """Add `stripes` stripes of 64 bytes from data[start] to the lanes; the secret moves by 8 bytes a stripe."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, data, start, secret, secret_start, stripes = args
        data = builder.gep(context.make_array(signature.args[1])(context, builder, data).data, [start])
        secret = builder.gep(context.make_array(signature.args[3])(context, builder, secret).data, [secret_start])
        state = cgutils.alloca_once_value(builder, _to_vector(builder, lanes))
        with cgutils.for_range(builder, stripes, intp=I64) as loop:
            stripe = _load(builder, data, builder.mul(loop.index, I64(STRIPE)), LANES)
            key = _load(builder, secret, builder.mul(loop.index, I64(8)), LANES)
            builder.store(_add_stripe(builder, builder.load(state), stripe, key), state)
        return _to_tuple(builder, builder.load(state), lanes)

    return lanes(lanes, data, start, secret, secret_start, stripes), codegen


@intrinsic
def _scramble(_typing: Any, lanes: Any, secret: Any) -> Any:
    """After each block of 1024 bytes: fold the lanes' high bits down, mix the end of the secret in, multiply."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        secret = context.make_array(signature.args[1])(context, builder, args[1]).data
        vector = _to_vector(builder, args[0])
        folded = builder.xor(vector, builder.lshr(vector, _all(47)))
        mixed = builder.xor(folded, _load(builder, secret, I64(SECRET.size - STRIPE), LANES))
        return _to_tuple(builder, builder.mul(mixed, _all(int(PRIME32_1))), args[0])

    return lanes(lanes, secret), codegen


@intrinsic
def _word(_typing: Any, data: Any, start: Any) -> Any:
    """The little-endian 64-bit word at data[start]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, args[0]).data
        return _load(builder, pointer, args[1], I64)

    return types.uint64(data, start), codegen


@intrinsic
def _fold(_typing: Any, _a: Any, _b: Any) -> Any:
    """Multiply to 128 bits and exclusive-or the halves."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        product = builder.mul(builder.zext(args[0], I128), builder.zext(args[1], I128))
        return builder.xor(builder.trunc(product, I64), builder.trunc(builder.lshr(product, I128(64)), I64))

    return types.uint64(types.uint64, types.uint64), codegen


@kernel
def _merge(lanes, secret, at, start):  # type: ignore[no-untyped-def]
    h = start
    h += _fold(lanes[0] ^ _word(secret, at), lanes[1] ^ _word(secret, at + 8))
    h += _fold(lanes[2] ^ _word(secret, at + 16), lanes[3] ^ _word(secret, at + 24))
    h += _fold(lanes[4] ^ _word(secret, at + 32), lanes[5] ^ _word(secret, at + 40))
    h += _fold(lanes[6] ^ _word(secret, at + 48), lanes[7] ^ _word(secret, at + 56))
    h = (h ^ (h >> np.uint64(37))) * AVALANCHE
    return h ^ (h >> np.uint64(32))


@kernel
def _hash(data, start, length, secret):  # type: ignore[no-untyped-def]
    lanes = (PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1)
    blocks = (length - 1) // BLOCK
    for block in range(blocks):
        lanes = _scramble(_accumulate(lanes, data, start + block * BLOCK, secret, 0, BLOCK // STRIPE), secret)
    rest = (length - 1 - blocks * BLOCK) // STRIPE
    lanes = _accumulate(lanes, data, start + blocks * BLOCK, secret, 0, rest)
    lanes = _accumulate(lanes, data, start + length - STRIPE, secret, LAST_SECRET, 1)
    size = np.uint64(length)
    return _merge(lanes, secret, 117, ~(size * PRIME64_2)), _merge(lanes, secret, 11, size * PRIME64_1)


@kernel
def _hash_ranges(data, starts, lengths, secret, high, low):  # type: ignore[no-untyped-def]
    for i in range(starts.size):
        if lengths[i] > LONGEST_SHORT:
            high[i], low[i] = _hash(data, starts[i], lengths[i], secret)


def hash_long_ranges(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """High and low halves of XXH3-128 of data[start : start + length], for each range of more than 240 bytes.

    `data` is contiguous; `starts` and `lengths` have one shape (n,), as the two results do. Entries of shorter ranges
    are left zero. Raises ValueError when a range leaves the data.
    """
    if ((starts < 0) | (lengths < 0) | (lengths > data.size - starts)).any():
        raise ValueError("a range to hash lies outside the data")
    high, low = np.zeros(starts.size, np.uint64), np.zeros(starts.size, np.uint64)
    _hash_ranges(data, starts, lengths, SECRET, high, low)
    return high, low
