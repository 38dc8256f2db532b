"""Numbers in a byte string, and a reader that cannot be made to read past its end."""

from __future__ import annotations

from elf.errors import ElfError

Bytes = bytes | memoryview
"""Bytes to be read; a memoryview is one of single bytes."""


def varint(number: int) -> bytes:
    """A number from 0 on, seven bits a byte, low ones first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def zigzag(number: int) -> int:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return number * 2 if number >= 0 else -number * 2 - 1


def unzigzag(number: int) -> int:
    """The inverse of `zigzag`."""
    return number >> 1 if number % 2 == 0 else -(number >> 1) - 1


def prefixed(*pieces: Bytes) -> bytes:
    """`pieces` side by side behind the length of all."""
    return b"".join((varint(sum(map(len, pieces))), *pieces))


class Reader:
    """Reads a byte string from the front; raises ElfError instead of reading past its end."""

    def __init__(self, data: Bytes) -> None:
        self.data = memoryview(data)
        self.position = 0

    def take(self, size: int) -> memoryview:
        """The next `size` bytes, not copied."""
        if size > len(self.data) - self.position:
            raise ElfError("damaged data: it ends too early")
        self.position += size
        return self.data[self.position - size : self.position]

    def varint(self) -> int:
        """The next number, below 2^63."""
        number = 0
        for shift in range(0, 63, 7):
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise ElfError("damaged data: a number is too long")

    def prefixed(self) -> memoryview:
        """The next byte string behind its length."""
        return self.take(self.varint())

    def rest(self) -> memoryview:
        """Everything that is left."""
        return self.take(len(self.data) - self.position)

    def end(self) -> None:
        """Refuse what is left over."""
        if self.position != len(self.data):
            raise ElfError("damaged data: something follows its end")
