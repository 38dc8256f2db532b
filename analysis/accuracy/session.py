"""ONNX models through onnxruntime: one thread, on the CPU, the same answer every time on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from elf.errors import ElfError

if TYPE_CHECKING:
    import onnxruntime


def session(path: Path) -> onnxruntime.InferenceSession:
    """Open a model. Raises ElfError when onnxruntime is not there or does not take it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ElfError("onnxruntime is not installed: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of the library's own kinds, which share no base
        raise refused(path, error) from error


def refused(path: Path, error: Exception) -> ElfError:
    """What onnxruntime says, in one line that names no folder of this machine."""
    said = " ".join(str(error).replace(str(path), path.name).split())[:300]
    return ElfError(f"{path.name}: onnxruntime cannot run it: {type(error).__name__}: {said}")
