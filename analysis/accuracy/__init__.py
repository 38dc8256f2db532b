"""The accuracy of restored models: real models, labels where there are any, on the CPU. One task is one file."""

from __future__ import annotations

from analysis.accuracy import filetype, g2p, ocr, outputs, similarity
from analysis.accuracy.base import Task

_ALL = (g2p.TASK, similarity.TASK, ocr.TASK, filetype.TASK, outputs.TASK)

TASKS: dict[str, Task] = {task.name: task for task in _ALL}
"""Every task by its name."""
