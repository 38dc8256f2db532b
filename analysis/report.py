"""One page that holds a study's answers: claims, figures with their data, failures, what made them."""

from __future__ import annotations

import json
from html import escape
from numbers import Integral
from pathlib import Path
from string import Template

import pandas as pd

from analysis.claims import claims
from analysis.figures import FIGURES, caption
from analysis.results import Results
from analysis.tables import write_atomically
from analysis.text import seconds
from elf.errors import ElfError

PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$study: storage compressibility</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-top: 1px solid #dde2e8; padding-top: 1.5rem }
table { border-collapse: collapse; font-size: 14px; display: block; overflow-x: auto }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #eef1f4 }
td.number { text-align: right; font-variant-numeric: tabular-nums }
figure { margin: 1.5rem 0 } figure svg { max-width: 100%; height: auto } figcaption { color: #4c5866 }
.note { color: #4c5866; font-size: 14px }
</style>
<h1>Storage compressibility of the study <em>$study</em></h1>
<p>$coverage. Ratios are bytes in / bytes out; the denominator is always the bytes of the original files as stored.</p>
<h2>Claims</h2>
$claims
<p class="note">$honesty</p>
<h2>Deduplicating stores over the whole study</h2>
$stores
<h2>Figures</h2>
$figures
<h2>What could not be measured</h2>
$failures
<h2>What made this page</h2>
$record
</html>
""")

HONESTY = (
    "What is published is known here from the abstract, the author's dissertation record and the authors' public code, "
    "not from the full text. Where a setting of the paper is unknown, ours is stated and the result is ours."
)


def write_report(results: Results, local: Path) -> Path:
    """Write report.html beside the figures that were drawn: a single file that needs no other.

    Raises ElfError when a figure has not been drawn.
    """
    page = PAGE.substitute(
        study=escape(results.study),
        coverage=escape(results.coverage),
        claims=_table(claims(results)),
        honesty=escape(HONESTY),
        stores=_table(_stores(results)),
        figures="\n".join(_figure(name, local / "figures") for name in FIGURES),
        failures=_table(results.failures) if len(results.failures) else "<p>Everything was measured.</p>",
        record=_record(local / "run.json"),
    )
    path = local / "report.html"
    write_atomically(path, page.encode())
    return path


def _stores(results: Results) -> pd.DataFrame:
    data = results.dedup().sort_values("saving", ascending=False)
    shown = data[["granularity", "method", "n_units", "n_unique", "bytes_in"]].copy()
    shown["bytes out"] = data["bytes_payload"] + data["bytes_recipe"] + data["bytes_index"]
    shown["ratio, kept bytes"] = data["ratio_payload"].map("{:.4f}".format)
    shown["ratio, everything"] = data["ratio"].map("{:.4f}".format)
    return shown


def _figure(name: str, folder: Path) -> str:
    """The drawing itself; its ids get the figure's name, since ids of two drawings would be taken for one another."""
    try:
        svg = (folder / f"{name}.svg").read_text(encoding="utf-8")
    except OSError as error:
        raise ElfError(f"{folder / name}.svg: is not drawn; first: python -m analysis figures") from error
    svg = svg[svg.index("<svg") :]
    for mark in ('id="', 'href="#', "url(#"):
        svg = svg.replace(mark, f"{mark}{name}-")
    return (
        f'<figure id="{name}">{svg}<figcaption>{escape(caption(name))} Data: figures/{name}.csv</figcaption></figure>'
    )


def _table(data: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(name))}</th>" for name in data.columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>\n" for row in data.itertuples(index=False))
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, Integral):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"


def _record(path: Path) -> str:
    if not path.exists():
        return "<p>The published tables of this study; no run of this machine.</p>"
    run = json.loads(path.read_bytes())
    took = ", ".join(f"{name} {seconds(value)}" for name, value in run["seconds"].items())
    libraries = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    on = f"{run['machine']['cores']} cores ({run['machine']['machine']})"
    return f"<p>{escape(took)} on {escape(on)}.</p><p>{escape(libraries)}</p>"
