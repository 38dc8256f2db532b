"""The command as a user types it: what it prints, what it leaves on the disk, and with which exit code it ends."""

from __future__ import annotations

import io
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from commands import PROJECT
from model_files import WEIGHT, written

import elf
from elf.cli import main

SUFFIX = ".elves.safetensors"
Done = subprocess.CompletedProcess[str]


def start(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "elf", *map(str, arguments)]


def elves(*arguments: object) -> Done:
    """The command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(str(end.code))
    return Done(arguments, code, out.getvalue(), err.getvalue())


def process(*arguments: object, prepare: Callable[[], None] | None = None) -> Done:
    """The command in a process of its own."""
    return subprocess.run(
        start(*arguments), cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120, preexec_fn=prepare
    )


def assert_one_line(error: str) -> None:
    assert error.startswith("elves: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return written("model.npz", tmp_path)


@pytest.fixture
def coded(model: Path) -> Path:
    target = Path(f"{model}{SUFFIX}")
    elf.compress(model, target)
    return target


def test_the_help_loads_no_library() -> None:
    code = "import sys, elf.cli; elf.cli.parser().format_help(); print({'numpy', 'numba', 'tqdm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_command_explains_itself() -> None:
    done = process("--help")
    assert done.returncode == 0
    for command in ("compress", "decompress", "info", "verify", "diff"):
        assert command in done.stdout
        assert elves(command, "--help").returncode == 0


def test_from_a_model_to_an_elves_file_and_back(model: Path) -> None:
    done = elves("compress", model, "--lossless", "--jobs", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{model}{SUFFIX}: ")
    assert "0 of 4 tensors lossy" in done.stdout
    content = model.read_bytes()
    model.unlink()
    done = elves("decompress", f"{model}{SUFFIX}")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{model}\n", "")
    assert model.read_bytes() == content
    assert len(list(model.parent.iterdir())) == 2


def test_results_as_json(model: Path, coded: Path, tmp_path: Path) -> None:
    summary = json.loads(elves("compress", model, tmp_path / "x", "--json").stdout)
    assert summary == {
        "source": str(model), "target": str(tmp_path / "x"), "bytes_in": model.stat().st_size,
        "bytes_out": coded.stat().st_size, "tensors": 4, "lossy": 2,
    }  # fmt: skip
    info = json.loads(elves("info", coded, "--json").stdout)
    assert info["choices"][0]["codec"] == "elf"
    back = json.loads(elves("decompress", coded, tmp_path / "y", "--json").stdout)
    assert back == {"source": str(coded), "target": str(tmp_path / "y")}
    assert json.loads(elves("verify", coded, "--json").stdout)["ok"] is True
    assert json.loads(elves("diff", model, coded, "--json").stdout)["within"] is True


def test_info_says_what_was_chosen_and_why(coded: Path) -> None:
    done = elves("info", coded)
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: " ".join(line.split()) for line in done.stdout.splitlines() if line}
    assert "f32 40x50 weight 8000 elf 2" in lines["layer.weight"]
    assert lines["layer.weight"].endswith("2^-24 weight")
    assert lines["layer.bias"].endswith("exact its role is bias")
    assert "= layer.weight" in lines["layer.twin"]
    assert lines["step"] == "step i64 6 other 48 skeleton exact it is small"


def test_options_decide_what_is_lossy(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "x"
    assert elves("compress", model, target, "--bound", "2^-12", "--lossy", "*", "--keep", "*twin").returncode == 0
    with elf.open(target) as file:
        assert file.bound_of("layer.weight") == file.bound_of("layer.bias") == 2.0**-12
        assert file.bound_of("layer.twin") is None


@pytest.mark.parametrize(
    "bound", ["0", "-1", "x", "2^", "2^x", "nan", "inf", "rms", "rms:", "rms:x", "most:1", "2^99999", "2^-9999"]
)
def test_a_bound_that_is_none_is_a_usage_error(bound: str, model: Path) -> None:
    done = elves("compress", model, f"--bound={bound}")
    assert done.returncode == 2
    assert "is no bound such as 1e-6, 2^-20 or rms:1e-4" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["compress"], ["compress", "x", "--jobs", "0"], ["diff", "a", "b", "--bound", "rms:1"]],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str]) -> None:
    done = elves(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("contradiction", [["--bound", "1e-3"], ["--lossy", "*"]])
def test_lossless_and_lossy_options_exclude_each_other(contradiction: list[str], model: Path) -> None:
    done = elves("compress", model, "--lossless", *contradiction)
    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert list(model.parent.iterdir()) == [model]


def test_the_original_is_never_overwritten_unasked(model: Path, coded: Path) -> None:
    before = model.read_bytes()
    done = elves("decompress", coded)
    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert model.read_bytes() == before
    assert elves("decompress", coded, model).returncode == 0
    assert model.read_bytes() != before


def test_a_file_of_another_name_needs_a_name_for_what_comes_out(coded: Path) -> None:
    done = elves("decompress", coded.rename(coded.with_name("other")))
    assert done.returncode == 2
    assert "say what the restored file is to be called" in done.stderr


def test_safetensors_from_any_format(coded: Path) -> None:
    done = elves("decompress", coded, "--to", "safetensors")
    target = coded.with_name("model.npz.safetensors")
    assert done.stdout == f"{target}\n"
    assert np.abs(safetensors.numpy.load_file(target)["layer.weight"] - WEIGHT).max() <= 2.0**-24


@pytest.mark.parametrize("command", ["compress", "decompress", "info", "verify"])
def test_a_missing_file_is_one_line_and_1(command: str, tmp_path: Path) -> None:
    done = elves(command, tmp_path / f"missing{SUFFIX}")
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr)
    assert "No such file" in done.stderr


@pytest.mark.parametrize("command", ["decompress", "info", "verify"])
def test_what_is_no_elves_file_is_one_line_and_1(command: str, model: Path) -> None:
    done = elves(command, model, *([model.with_name("x")] if command == "decompress" else []))
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr)
    assert list(model.parent.iterdir()) == [model]


def test_damage_is_found_told_and_leaves_nothing(coded: Path, tmp_path: Path) -> None:
    data = bytearray(coded.read_bytes())
    data[8 + int.from_bytes(data[:8], "little") + 100] ^= 255
    coded.write_bytes(data)
    done = elves("verify", coded)
    assert (done.returncode, done.stdout) == (1, "")
    assert "tensor 'layer.weight'" in done.stderr
    listed = json.loads(elves("verify", coded, "--json").stdout)
    assert (listed["ok"], len(listed["damaged"])) == (False, 2)
    before = sorted(tmp_path.iterdir())
    done = elves("decompress", coded, tmp_path / "x")
    assert done.returncode == 1
    assert_one_line(done.stderr)
    assert sorted(tmp_path.iterdir()) == before


def test_diff_tells_equal_from_changed_and_allowed_from_not(model: Path, coded: Path, tmp_path: Path) -> None:
    back = tmp_path / "back.npz"
    elf.decompress(coded, back)
    same = elves("diff", model, model)
    assert (same.returncode, same.stdout) == (0, "4 tensors equal, 0 changed, within what is allowed\n")
    changed = elves("diff", model, back)
    assert changed.returncode == 1
    assert "2 tensors equal, 2 changed, not within what is allowed" in changed.stdout
    assert elves("diff", model, back, "--bound", "2^-24").returncode == 0
    assert elves("diff", model, back, "--bound", "2^-40").returncode == 1
    assert elves("diff", model, coded).returncode == 0
    assert elves("diff", coded, model).returncode == 0


def test_diff_counts_as_a_plain_loop_would(model: Path, tmp_path: Path) -> None:
    other = WEIGHT.copy()
    other[3, 4] += np.float32(0.25)
    other[5, 6] = -other[5, 6]
    np.savez(tmp_path / "other.npz", **{"layer.weight": other})
    found = json.loads(elves("diff", model, tmp_path / "other.npz", "--json").stdout)
    assert sorted(found["missing"]) == ["layer.bias", "layer.twin", "step"]
    (tensor,) = found["tensors"]
    bits = sum(int(a ^ b).bit_count() for a, b in zip(WEIGHT.view("u4").flat, other.view("u4").flat, strict=True))
    errors = np.abs(WEIGHT.astype("f8") - other)
    assert (tensor["changed_values"], tensor["changed_bits"]) == (2, bits)
    assert tensor["max_abs_error"] == errors.max()
    rms = np.sqrt(np.mean(WEIGHT.astype("f8") ** 2))
    assert tensor["relative_error"] == pytest.approx(np.sqrt(np.mean(errors**2)) / rms, rel=1e-12)


def test_diff_of_other_shapes_and_of_values_that_are_not_finite(tmp_path: Path) -> None:
    nan = np.array([[1, np.nan], [np.inf, 0]], "<f4")
    np.savez(tmp_path / "a.npz", same=nan, moved=nan, shape=WEIGHT)
    np.savez(tmp_path / "b.npz", same=nan, moved=nan[::-1], shape=WEIGHT.T, new=nan)
    done = elves("diff", tmp_path / "a.npz", tmp_path / "b.npz", "--json")
    found = json.loads(done.stdout)
    tensors = {tensor["name"]: tensor for tensor in found["tensors"]}
    assert done.returncode == 1
    assert (found["unlike"], found["added"]) == (["shape"], ["new"])
    assert tensors["same"]["max_abs_error"] == 0
    assert tensors["moved"]["max_abs_error"] == "inf"


def test_progress_is_for_people_only(model: Path, tmp_path: Path) -> None:
    assert elves("compress", model, tmp_path / "x").stderr == ""
    leader, follower = pty.openpty()
    done = subprocess.run(
        start("compress", model, tmp_path / "x"), cwd=PROJECT, stderr=follower, check=True, timeout=60
    )
    os.close(follower)
    os.close(leader)
    assert done.returncode == 0


def test_a_reader_that_has_seen_enough_is_no_error(coded: Path) -> None:
    command = " ".join(start("info", coded, "--json"))
    done = subprocess.run(
        f"{command} | head -c 1", shell=True, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("{", "")


def test_a_full_disk_leaves_the_old_output(model: Path, tmp_path: Path) -> None:
    """A limit on the size of files is a full disk for this process."""

    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    target = tmp_path / "x"
    target.write_bytes(b"old")
    before = sorted(tmp_path.iterdir())
    done = process("compress", model, target, prepare=little_room)
    assert done.returncode == 1
    assert_one_line(done.stderr)
    assert "cannot be written: File too large" in done.stderr
    assert target.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def slow_model(tmp_path: Path) -> Path:
    """Large enough to be caught in the act."""
    path = tmp_path / "large.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2000, 10000)).astype("<f4"))
    return path


def caught(model: Path, target: Path, sent: signal.Signals) -> tuple[int, str]:
    """Compress, and send a signal once writing has begun."""
    running = subprocess.Popen(start("compress", model, target), cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not any(
        path.stat().st_size for path in target.parent.glob(f".{target.name}.*.tmp")
    ):
        time.sleep(0.001)
    assert running.poll() is None
    running.send_signal(sent)
    _, error = running.communicate(timeout=60)
    return running.returncode, error


def test_an_interrupt_leaves_the_old_output_and_nothing_else(slow_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    code, error = caught(slow_model, target, signal.SIGINT)
    assert code == 130
    assert_one_line(error)
    assert target.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == sorted([slow_model, target])


def test_a_kill_leaves_the_old_output_and_the_next_run_works(slow_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    code, _ = caught(slow_model, target, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    assert elves("compress", slow_model, target).returncode == 0
    assert elves("verify", target).returncode == 0
