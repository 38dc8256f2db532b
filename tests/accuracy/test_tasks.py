"""Tasks see in a file what they say they see."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.accuracy import TASKS, g2p, ocr, outputs
from analysis.accuracy.filetype import LABELS, NONE, PART, features


def test_every_task_pins_its_data_and_states_its_margins() -> None:
    for task in TASKS.values():
        assert task.metrics, task.name
        assert all("*" not in name for entry in task.data for name in entry.weights), "data is named, file by file"


@pytest.mark.parametrize(("task", "items"), [("g2p", g2p.WORDS), ("ocr", ocr.WORDS), ("filetype", len(LABELS))])
def test_margins_are_such_that_these_many_items_can_show_them(task: str, items: int) -> None:
    assert all(metric.margin and metric.margin > 3 / items for metric in TASKS[task].metrics)


def test_a_file_that_is_shorter_than_a_part_is_padded_at_its_end_around_it_and_before_it() -> None:
    content = b"\n  abc \n"
    found = features(content)
    letters = list(b"abc")
    assert found[:PART] == letters + [NONE] * (PART - 3)
    assert found[PART : 2 * PART] == [NONE] * 254 + letters + [NONE] * 255
    assert found[2 * PART :] == [NONE] * (PART - 3) + letters


def test_a_long_file_gives_its_beginning_its_middle_and_its_end() -> None:
    content = bytes(range(1, 9)) * 10_000
    found = features(content)
    assert bytes(found[:PART]) == content[:PART].lstrip()[:PART]
    assert bytes(found[PART : 2 * PART]) in content
    assert len(found) == 3 * PART
    assert NONE not in found


@pytest.mark.parametrize("content", [b"", b"   ", b"\0", b"x" * 600, b" " * 20_000])
def test_any_content_has_features(content: bytes) -> None:
    found = features(content)
    assert len(found) == 3 * PART
    assert all(0 <= value <= NONE for value in found)


def test_the_pinned_list_has_types_of_several_kinds() -> None:
    assert {"python", "c", "elf", "txt"} <= set(LABELS.values())


def test_words_and_their_images_are_the_same_every_time() -> None:
    before = [image.copy() for image in ocr.images()[:3]]
    ocr.images.cache_clear()
    assert all(np.array_equal(one, other) for one, other in zip(before, ocr.images(), strict=False))
    assert all(image.shape[:2] == (3, ocr.HEIGHT) for image in before)


def test_repeats_and_blanks_are_no_characters() -> None:
    chances = np.eye(4, dtype=np.float32)[[0, 1, 1, 0, 1, 2, 0, 0]]
    assert ocr._decoded(chances, ["", "a", "b", " "])[0] == "aab"


def test_classes_decide_by_the_largest_and_chances_by_one_half() -> None:
    assert outputs.decisions(np.array([[0.2, 0.8], [0.6, 0.4]])).tolist() == [1, 0]
    assert outputs.decisions(np.array([[0.2, 0.9], [0.6, 0.9]])).tolist() == [0, 1, 1, 1]
    assert outputs.decisions(np.array([3.2, -1.0])).size == 0


def test_the_original_says_of_what_kind_an_output_is() -> None:
    assert outputs.decisions(np.array([1.5, 0.1]), like=np.array([0.9, 0.1])).tolist() == [1, 0]


def test_drift_is_relative_to_the_largest_output_unless_it_is_a_chance_and_nan_is_the_largest_drift() -> None:
    total = outputs._Total()
    total.add([np.array([10.0, 0.0])], [np.array([11.0, 0.0])])
    assert total.largest == pytest.approx(0.1)
    total.add([np.array([0.4])], [np.array([0.6])])
    assert total.largest == pytest.approx(0.2)
    assert (total.decided, total.changed) == (1, 1)
    total.add([np.array([2.0])], [np.array([np.nan])])
    assert total.largest == np.inf
