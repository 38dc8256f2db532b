"""Forward passes are what an obvious implementation gives."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.accuracy import bert, g2p
from analysis.accuracy.text import edits

random_ = np.random.default_rng(0)


def array(*shape: int) -> np.ndarray:
    return random_.normal(0, 0.5, shape).astype(np.float32)


SIZE = 8
GRU = {
    f"{side}_{name}": value
    for side, rows in (("enc", len(g2p.GRAPHEMES)), ("dec", len(g2p.PHONEMES)))
    for name, value in {
        "emb": array(rows, SIZE), "w_ih": array(3 * SIZE, SIZE), "w_hh": array(3 * SIZE, SIZE),
        "b_ih": array(3 * SIZE), "b_hh": array(3 * SIZE),
    }.items()
} | {"fc_w": array(len(g2p.PHONEMES), SIZE), "fc_b": array(len(g2p.PHONEMES))}  # fmt: skip


def test_words_in_a_batch_are_pronounced_as_one_by_one() -> None:
    words = ["a", "zebra", "it", "pronunciation"]
    together, scores = g2p.pronounce(GRU, words)
    alone = [g2p.pronounce(GRU, [word]) for word in words]
    assert together == [spoken[0] for spoken, _ in alone]
    assert scores == pytest.approx([float(score[0]) for _, score in alone], abs=1e-6)


def test_one_word_is_pronounced_as_the_recurrence_says() -> None:
    def cell(side: str, x: np.ndarray, h: np.ndarray) -> np.ndarray:
        def gate(i: int) -> np.ndarray:
            rows = slice(i * SIZE, (i + 1) * SIZE)
            given = GRU[f"{side}_w_ih"][rows] @ x + GRU[f"{side}_b_ih"][rows]
            kept = GRU[f"{side}_w_hh"][rows] @ h + GRU[f"{side}_b_hh"][rows]
            return np.tanh(given + reset * kept) if i == 2 else 1 / (1 + np.exp(-given - kept))

        reset = np.zeros(SIZE)
        reset, update = gate(0), gate(1)
        return (1 - update) * gate(2) + update * h

    hidden = np.zeros(SIZE)
    for letter in [*"word", "</s>"]:
        hidden = cell("enc", GRU["enc_emb"][g2p.GRAPHEMES.index(letter)], hidden)
    chosen, spoken = g2p.START, []
    for _ in range(g2p.LONGEST):
        hidden = cell("dec", GRU["dec_emb"][chosen], hidden)
        chosen = int((GRU["fc_w"] @ hidden + GRU["fc_b"]).argmax())
        if chosen == g2p.END:
            break
        spoken.append(g2p.PHONEMES[chosen])
    assert g2p.pronounce(GRU, ["word"])[0] == [spoken]


def test_a_word_has_every_pronunciation_of_the_dictionary_and_no_comment() -> None:
    text = b"read R EH1 D\nread(2) R IY1 D # present\nit's IH1 T S\n"
    assert g2p.entries(text) == [("read", [["R", "EH1", "D"], ["R", "IY1", "D"]])]


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_edits_are_the_fewest_that_turn_one_into_the_other(one: str, other: str) -> None:
    @cache
    def least(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(least(i - 1, j) + 1, least(i, j - 1) + 1, least(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    assert edits(one, other) == least(len(one), len(other))


def test_gelu_is_that_of_the_normal_distribution() -> None:
    values = np.linspace(-6, 6, 1001, dtype=np.float32)
    exact = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in values.tolist()]
    assert bert._gelu(values) == pytest.approx(exact, abs=2e-6)


def test_a_layer_of_bert_is_what_the_paper_says_head_by_head() -> None:
    width, inner, length = 2 * bert.HEAD, 16, 5
    model = {"embeddings.word_embeddings.weight": array(9, width),
             "embeddings.position_embeddings.weight": array(8, width),
             "embeddings.token_type_embeddings.weight": array(2, width)}  # fmt: skip
    for name, rows, columns in (
        *((f"attention.self.{part}", width, width) for part in ("query", "key", "value")),
        ("attention.output.dense", width, width), ("intermediate.dense", inner, width), ("output.dense", width, inner),
    ):  # fmt: skip
        model |= {f"encoder.layer.0.{name}.weight": array(rows, columns), f"encoder.layer.0.{name}.bias": array(rows)}
    for name in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        model |= {f"{name}.LayerNorm.weight": array(width), f"{name}.LayerNorm.bias": array(width)}
    tokens = [1, 8, 3, 3, 0][:length]
    assert bert.encode(model, tokens) == pytest.approx(_slow_bert(model, tokens), abs=1e-3)


def _slow_bert(model: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    def norm(name: str, x: np.ndarray) -> np.ndarray:
        rows = [(row - row.mean()) / math.sqrt(row.var() + 1e-12) for row in x]
        return np.array(rows) * model[f"{name}.LayerNorm.weight"] + model[f"{name}.LayerNorm.bias"]

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return (
            np.array([model[f"encoder.layer.0.{name}.weight"] @ row for row in x])
            + model[f"encoder.layer.0.{name}.bias"]
        )

    words, places, kinds = (
        model[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")
    )
    x = norm(
        "embeddings", np.array([words[token] + places[i] + kinds[0] for i, token in enumerate(tokens)], np.float64)
    )
    query, key, value = (dense(f"attention.self.{part}", x) for part in ("query", "key", "value"))
    heads = []
    for start in range(0, x.shape[1], bert.HEAD):
        part = slice(start, start + bert.HEAD)
        scores = np.exp(query[:, part] @ key[:, part].T / math.sqrt(bert.HEAD))
        heads.append(scores / scores.sum(axis=1, keepdims=True) @ value[:, part])
    x = norm("encoder.layer.0.attention.output", dense("attention.output.dense", np.concatenate(heads, axis=1)) + x)
    grown = dense("intermediate.dense", x)
    grown = grown * 0.5 * (1 + np.vectorize(math.erf)(grown / math.sqrt(2)))
    return norm("encoder.layer.0.output", dense("output.dense", grown) + x)
