"""A model file's tensors as arrays by name, for forward passes that are written in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elf.formats import open_model
from elf.tensor import DTYPES

Weights = dict[str, NDArray[Any]]


def weights(path: Path) -> Weights:
    """All tensors, copied, in C order. Raises ElfError for a file that cannot be read."""
    with open_model(path) as model:
        return {
            tensor.name: np.array(model.bytes(tensor).view(numpy)).reshape(tensor.shape)
            for tensor in model.tensors
            if (numpy := DTYPES[tensor.dtype].numpy) is not None
        }
