"""What the README and the manifests of the environment say is so."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from commands import PROJECT

from analysis.config import load_study

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
MAKEFILE = (PROJECT / "Makefile").read_text()


def test_every_make_target_it_names_exists() -> None:
    named = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE))
    assert named
    assert named <= set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_every_subcommand_it_names_exists() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "analysis", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    named = set(re.findall(r"python -m analysis ([a-z]+)", README))
    assert named
    assert all(re.search(rf"^    {name} ", done.stdout, re.MULTILINE) for name in named)


def test_the_claims_it_shows_are_what_the_command_prints() -> None:
    [shown] = re.findall(r"```text\n(claim .*?)```", README, re.DOTALL)
    call = [sys.executable, "-m", "analysis", "claims", "default", "--results", "results"]
    done = subprocess.run(call, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert shown.rstrip() == done.stdout.rstrip()


def test_every_file_it_links_to_exists() -> None:
    links = re.findall(r"\]\(([^):#]+)\)", README)
    assert links
    assert [link for link in links if not (PROJECT / link).exists()] == []


def test_the_yaml_it_shows_is_valid() -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = PROJECT / "configs" / "shown-in-the-readme.yaml"
    path.write_text(shown.replace("families/minilm.yaml", "families/digits.yaml"))
    try:
        study = load_study(path)
    finally:
        path.unlink()
    assert [family.name for family in study.families] == ["digits", "fracast", "my-disk"]


def test_conda_gets_what_pip_gets() -> None:
    wanted = yaml.safe_load((PROJECT / "environment.yml").read_text())["dependencies"]
    assert f"python{PYPROJECT['project']['requires-python']}" in wanted
    assert {"pip": ["-r requirements.lock"]} in wanted


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_a_lock_pins_everything_with_hashes_and_names_no_place(lock: str) -> None:
    text = (PROJECT / lock).read_text()
    pinned = re.findall(r"^([a-z0-9][a-z0-9._-]*)==\S+", text, re.MULTILINE)
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pinned)
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = PYPROJECT["project"]["dependencies"] + extras["study"] + extras["accuracy"]
    names = {re.split(r"[>=<\[]", requirement)[0].lower().replace("_", "-") for requirement in wanted}
    assert names <= set(pinned)


def test_both_locks_agree() -> None:
    pins = [
        dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (PROJECT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-test.lock")
    ]
    assert pins[0].items() <= pins[1].items()


def test_the_lock_of_peers_pins_every_peer_and_agrees_with_what_is_always_installed() -> None:
    text = (PROJECT / "requirements-peers.lock").read_text()
    pins = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", text, re.MULTILINE))
    core = dict(
        re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (PROJECT / "requirements.lock").read_text(), re.MULTILINE)
    )
    wanted = PYPROJECT["project"]["optional-dependencies"]["peers"]
    assert "://" not in text
    assert {re.split(r"[>=<]", requirement)[0] for requirement in wanted} <= pins.keys()
    assert {name: pins[name] for name in pins.keys() & core.keys()} == {
        name: core[name] for name in pins.keys() & core.keys()
    }
