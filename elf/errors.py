"""The library's one exception type."""


class ElfError(Exception):
    """A file, tensor or argument that cannot be read or coded: says what, where and what to do, in one line."""
