"""What several tests share: a Hub of our own instead of the real one, and the pinned tiny study."""

from __future__ import annotations

import atexit
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from loopback_hub import LoopbackHub

if TYPE_CHECKING:
    from analysis.sources import Pulled

# No test asserts a time: the first call of a kernel compiles it. Failures found are printed, not kept in a folder.
settings.register_profile("elves", deadline=None, database=None)
settings.load_profile("elves")

# The client reads its settings when it is imported: tests never reach the real Hub, nor the user's cache or token.
_HOME = tempfile.TemporaryDirectory(prefix="hub-")
atexit.register(_HOME.cleanup)
_HUB = LoopbackHub()
for _name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
    del os.environ[_name]
os.environ |= {
    "HF_ENDPOINT": _HUB.url,
    "HF_HOME": _HOME.name,
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """The Hub that this process talks to, empty and working."""
    _HUB.reset()
    yield _HUB
    _HUB.reset()


@pytest.fixture(scope="session")
def tiny_study() -> Pulled:
    """The pinned tiny study, pulled by the real pip into .cache/ of the project once."""
    from analysis.config import load_study
    from analysis.sources import pull

    project = Path(__file__).resolve().parent.parent
    cache = project / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the test processes pulls, the others wait
        pulled = pull(load_study(project / "configs" / "tiny.yaml"), cache=cache)
    assert not pulled.failures, pulled.failures
    return pulled
