"""Patterns of files: with a / they match the whole path, `**` spanning folders; without one, the file's name."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?+.[^\]]*\]|.", re.DOTALL)
_SPECIAL = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a POSIX path matches any of the patterns; upper and lower case differ."""
    return any(_regex(pattern).fullmatch(name if "/" in pattern else name.rpartition("/")[2]) for pattern in patterns)


@functools.lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile("".join(_translate(token) for token in _TOKEN.findall(pattern)), re.DOTALL)
    except re.error:  # a range written backwards matches nothing, as in a shell
        return re.compile(r"(?!)")


def _translate(token: str) -> str:
    if token in _SPECIAL:
        return _SPECIAL[token]
    if len(token) > 2 and token[0] == "[":
        negated = token[1] == "!"
        return f"(?!/)[{'^' if negated else ''}{_escape_class(token[1 + negated : -1])}]"
    return re.escape(token)


def _escape_class(members: str) -> str:
    return "".join(f"\\{char}" if char in "\\[]^&~|" else char for char in members)
