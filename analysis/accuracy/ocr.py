"""PP-OCR's recognition on rendered words: their labels are exact, because the words are what was drawn.

Strings of letters and digits in DejaVu Sans, the font that matplotlib ships, dark on light with seeded size, contrast
and noise. This is easier than photographs and says nothing about OCR in the wild; it is one input on which right and
wrong are known. Preparation and decoding follow PaddleOCR: 48 pixels high, scaled to [-1, 1], CTC with the characters
that the ONNX file carries.
"""

from __future__ import annotations

import hashlib
import random
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.accuracy.base import Answers, Data, Metric, Point, Task
from analysis.accuracy.session import refused, session
from analysis.accuracy.text import edits
from elf.errors import ElfError

WORDS = 160
SEED = 0
HEIGHT, MARGIN = 48, 8
BATCH = 20
CHARACTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without l, o, 0 and 1, which look alike alone

Array = NDArray[np.float32]


def font() -> Path:
    """The font file; which one it is enters the shard key."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def facts() -> dict[str, str]:
    """What decides the images beside this file."""
    try:
        from PIL import features

        drawn = {"pillow": version("pillow"), "freetype": features.version("freetype2") or ""}
    except ImportError:
        drawn = {"pillow": "missing"}
    return drawn | {"font": hashlib.sha256(font().read_bytes()).hexdigest()}


@cache
def words() -> list[str]:
    """Seeded strings of 3 to 8 small letters and digits: no language model can guess them."""
    drawn = random.Random(SEED)
    return ["".join(drawn.choices(CHARACTERS, k=drawn.randint(3, 8))) for _ in range(WORDS)]


@cache
def images() -> list[Array]:
    """Each word as the model takes it: f32, shape (3, HEIGHT, width). Raises ElfError without Pillow."""
    random_ = np.random.default_rng(SEED)
    return [_image(word, random_) for word in words()]


def _image(word: str, random_: np.random.Generator) -> Array:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise ElfError("Pillow is not installed: pip install pillow") from error
    face = ImageFont.truetype(str(font()), int(random_.integers(14, 33)), layout_engine=ImageFont.Layout.BASIC)
    paper, ink = int(random_.integers(150, 256)), int(random_.integers(0, 100))
    left, top, right, bottom = (int(side) for side in face.getbbox(word))
    picture = Image.new("L", (right - left + 2 * MARGIN, bottom - top + MARGIN), paper)
    ImageDraw.Draw(picture).text((MARGIN - left, MARGIN // 2 - top), word, fill=ink, font=face)
    width = -(-picture.width * HEIGHT // picture.height)
    pixels = np.asarray(picture.resize((width, HEIGHT), Image.Resampling.BILINEAR), np.float32)
    noisy = np.clip(pixels + random_.normal(0, 12, pixels.shape).astype(np.float32), 0, 255)
    return np.broadcast_to(noisy / np.float32(127.5) - 1, (3, *pixels.shape))


def answer(path: Path, _original: Path, _data: Data) -> Answers:
    """What the model reads in each image."""
    model = session(path)
    characters = ["", *model.get_modelmeta().custom_metadata_map["character"].splitlines(), " "]
    made = Answers()
    for number, (word, (read, score)) in enumerate(zip(words(), _read(model, path, characters), strict=True)):
        item = f"{number}:{word}"
        made.points.append(Point("exact_match", item, float(read == word)))
        made.points.append(Point("character_error_rate", item, edits(read, word), len(word)))
        made.decisions.append((item, read, score))
    return made


def _read(model: Any, path: Path, characters: list[str]) -> list[tuple[str, float]]:
    """Text and mean probability of its characters, images of similar width together."""
    order = sorted(range(WORDS), key=lambda number: images()[number].shape[2])
    found: dict[int, tuple[str, float]] = {}
    for start in range(0, WORDS, BATCH):
        batch = order[start : start + BATCH]
        width = max(images()[number].shape[2] for number in batch)
        given = np.zeros((len(batch), 3, HEIGHT, width), np.float32)
        for row, number in zip(given, batch, strict=True):
            row[:, :, : images()[number].shape[2]] = images()[number]
        try:
            [chances] = model.run(None, {"x": given})
        except Exception as error:  # of the library's own kinds
            raise refused(path, error) from error
        found |= zip(batch, (_decoded(one, characters) for one in chances), strict=True)
    return [found[number] for number in range(WORDS)]


def _decoded(chances: Array, characters: list[str]) -> tuple[str, float]:
    """CTC: repeats are one character, and the first class is a blank."""
    best = chances.argmax(axis=1)
    taken = (best != 0) & np.append(True, best[1:] != best[:-1])
    score = float(chances.max(axis=1)[taken].mean()) if taken.any() else 0.0
    return "".join(characters[number] for number in best[taken]).strip(), score


TASK = Task(
    name="ocr",
    version=1,
    about=f"PP-OCR recognition of {WORDS} rendered strings; labels are exact",
    models=(
        ("pypi:rapidocr-onnxruntime==1.2.3", "*/ch_PP-OCRv3_rec_infer.onnx"),
        ("pypi:rapidocr-onnxruntime==1.4.4", "*/ch_PP-OCRv4_rec_infer.onnx"),
    ),
    metrics=(
        Metric("exact_match", 0.02, meaning="strings that are read without an error"),
        Metric("character_error_rate", 0.02, more_is_better=False, meaning="edits over characters drawn"),
    ),
    answer=answer,
    libraries=("numpy", "onnxruntime"),
    facts=facts,
)
