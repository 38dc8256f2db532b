"""SZ3 (Liang et al., IEEE Trans. Big Data 9(2), 2023) through the `pysz` package, version 3 of SZ."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from elf.codecs.base import Values
from elf.codecs.peers.base import Peer

LORENZO, INTERPOLATION_LORENZO, INTERPOLATION, NO_PREDICTOR = range(4)
"""SZ3's own numbers of its predictors; 1 is its default."""


@dataclass(frozen=True)
class Sz3(Peer):
    """One SZ3 stream within an absolute bound of 2 ** -step.

    `bins` is the logarithm of the number of quantizer bins: a value that no bin reaches is kept raw. SZ3's own default
    (here 0) is 2^16, which at 2^-24 reaches 0.004: next to no weight is then coded.
    """

    name = "sz3"
    package = "pysz"
    lossless = False
    step: int = 24
    predictor: int = NO_PREDICTOR
    bins: int = 24

    def applies(self, dtype: str) -> bool:
        return dtype in ("f32", "f64")

    def encode(self, values: Values, dtype: str) -> bytes:
        from pysz import sz

        packed, _ = sz.compress(_native(values.reshape(self.shape or values.shape)), self._config())
        return bytes(packed)

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        from pysz import sz

        restored, _ = sz.decompress(np.frombuffer(data, np.uint8), out.dtype, self.shape or out.shape)
        out[:] = restored.reshape(-1)

    def _config(self) -> Any:
        from pysz import szConfig, szErrorBoundMode

        config = szConfig()
        if self.bins:
            config.loadcfg(_settings(self.bins))
        config.errorBoundMode = szErrorBoundMode.ABS
        config.absErrorBound = 2.0**-self.step
        config.cmprAlgo = self.predictor
        return config


@cache
def _settings(bins: int) -> str:
    """A file that sets the number of bins: the package has no other way."""
    folder = Path(tempfile.mkdtemp(prefix="elves-sz3-"))
    path = folder / "sz3.config"
    path.write_text(f"[AlgoSettings]\nQuantizationBinTotal = {1 << bins}\n")
    return str(path)


def _native(values: Values) -> Values:
    return np.require(values, requirements=["C", "A"])
