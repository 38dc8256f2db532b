"""Magika on a pinned list of files: what type is it, from 1,536 bytes of its beginning, middle and end.

Labels are weak: what a file's name ends with, not what people judged. The files lie in pinned wheels, so that their
content is pinned; most are Python and C sources. Features follow magika 0.5.1: blanks stripped at both ends, 512 bytes
each of beginning, middle and end, 256 where there is none.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.accuracy.base import Answers, Data, Metric, Point, Task, wheel
from analysis.accuracy.session import refused, session

CONFIGURATION = "magika/models/standard_v1/model_config.json"
PART, BLOCK, NONE = 512, 4096, 256

with Path(__file__).with_suffix(".csv").open() as _stream:
    LABELS = {row["file"]: row["type"] for row in csv.DictReader(_stream)}
"""The pinned list: a file's path inside the wheel, and the type that its name says. Magika has one for C and C++."""

Array = NDArray[np.float32]


def features(content: bytes) -> list[int]:
    """What the model takes for a file: 1,536 numbers."""
    if len(content) < 2 * BLOCK + PART:
        first = middle = last = content.strip()
    else:
        first, last = content[:BLOCK].lstrip(), content[-BLOCK:].rstrip()
        trimmed = BLOCK - len(first)
        at = trimmed + (len(content) - trimmed - (BLOCK - len(last)) - PART) // 2
        middle = content[at : at + PART]
    at = max(0, (len(middle) - PART) // 2)
    middle = middle[at : at + PART]
    lacking = PART - len(middle)
    padded = [NONE] * (lacking // 2) + list(middle) + [NONE] * (lacking - lacking // 2)
    head, tail = list(first[:PART]), list(last[-PART:])
    return head + [NONE] * (PART - len(head)) + padded + [NONE] * (PART - len(tail)) + tail


def answer(path: Path, _: Path, data: Data) -> Answers:
    """The model's type of each file."""
    told = json.loads(data[CONFIGURATION].tobytes())["train_dataset_info"]["target_labels_info"]
    labels = told["target_labels_space"]
    files = [name for name in data if name != CONFIGURATION]
    given = np.array([features(data[name].tobytes()) for name in files], np.float32)
    try:
        [chances] = session(path).run(None, {"bytes": given})
    except Exception as error:  # of the library's own kinds
        raise refused(path, error) from error
    made = Answers()
    for name, row in zip(files, chances, strict=True):
        found = labels[int(row.argmax())]
        made.points.append(Point("accuracy", name, float(found == LABELS[name])))
        made.decisions.append((name, found, float(row.max())))
    return made


TASK = Task(
    name="filetype",
    version=1,
    about=f"magika on {len(LABELS)} files of a pinned wheel; labels are weak: what their names end with",
    models=(("pypi:magika==0.5.1", "magika/models/standard_v1/model.onnx"),),
    metrics=(Metric("accuracy", 0.02, meaning="files whose type is what their name says"),),
    answer=answer,
    data=(
        wheel(
            "gensim==4.4.0",
            "gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
            list(LABELS),
        ),
        wheel(
            "magika==0.5.1",
            "magika-0.5.1-py3-none-any.whl",
            "a4d1f64f71460f335841c13c3d16cfc2cb21e839c1898a1ae9bd5adc8d66cb2b",
            [CONFIGURATION],
        ),
    ),
    libraries=("numpy", "onnxruntime"),
)
