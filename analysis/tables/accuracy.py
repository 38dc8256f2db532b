"""How good restored models are."""

from __future__ import annotations

from analysis.tables.spec import METHOD_VERSION, Column, Table, Tolerance

_SHARE = Tolerance(absolute=0.01)  # a few close calls that another processor's arithmetic decides otherwise
_DRIFT = Tolerance(relative=0.5, absolute=1e-5)

ACCURACY = Table(
    "accuracy",
    "one metric of one task, for one model file restored from one method at one bound",
    ("task", "model", "file", "codec", "error_bound", "metric"),
    (
        Column("task", "text", "accuracy task: a file in analysis/accuracy"),
        Column("model", "text", "model: one package or repository at one pinned version"),
        Column(
            "codec", "text", "original; elves: by its own rule; elf: no eligible tensor spared; a cast; or integers"
        ),
        Column("error_bound", "number", "absolute bound that was asked for; empty for methods that have none"),
        Column("metric", "text", "what was measured"),
        Column("value", "number", "the metric of the restored model", _SHARE),
        Column("difference", "number", "value minus that of the original model", _SHARE),
        Column("low", "number", "difference, lower end of the 95 % interval of the paired bootstrap", _SHARE),
        Column("high", "number", "difference, upper end of the 95 % interval of the paired bootstrap", _SHARE),
        Column("n_params", "count", "parameters of the file"),
        Column("bytes_out", "bytes", "the file as coded, everything counted"),
        Column("file", "text", "file inside the package or repository, with forward slashes"),
        Column("n_eligible", "count", "parameters of the tensors that every method may change"),
        Column("bytes_in", "bytes", "the file as stored"),
        Column("bytes_eligible", "bytes", "the eligible tensors as coded, without container"),
        Column("n", "count", "items that the metric is over and the bootstrap resamples"),
        Column("n_decisions", "count", "decisions that were compared with the original's"),
        Column("n_flips", "count", "decisions that are not the original's", Tolerance(absolute=5, relative=0.1)),
        Column("max_drift", "number", "largest change of a decision's score, or of an output (see the task)", _DRIFT),
        Column("mean_drift", "number", "mean change of the same", _DRIFT),
        Column(
            "margin",
            "number",
            "difference that counts as none, stated before measuring; empty: not tested",
        ),
        Column("equivalent", "yes/no", "whether the whole interval lies within the margin", Tolerance()),
        Column("smallest_detectable", "number", "true difference that the test finds four times in five", _SHARE),
        Column("more_is_better", "yes/no", "whether a larger value is the better one"),
        METHOD_VERSION,
    ),
)

TABLES = (ACCURACY,)
