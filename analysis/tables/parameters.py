"""What the parameters are like."""

from __future__ import annotations

from analysis.tables.spec import METHOD_VERSION, Column, Table

PARAMETERS = Table(
    "parameters",
    "the parameters of one dtype in one model, family, role or the study; aliases not counted",
    ("scope", "name", "dtype"),
    (
        Column("scope", "text", "model, family, study, or role (over the study)"),
        Column("name", "text", "which one"),
        Column("dtype", "text", "element type"),
        Column("n_params", "count", "parameters"),
        Column("n_distinct", "count", "distinct bit patterns among them; empty for a role"),
        Column("n_in_unit_interval", "count", "floats in (-1, 1); empty for other types"),
        Column("n_zero", "count", "zeros of either sign"),
        Column("n_nonfinite", "count", "NaN and infinities; empty for other types"),
        Column("n_f16_exact", "count", "floats that f16 holds exactly; empty for other types"),
        Column("n_bf16_exact", "count", "floats that bf16 holds exactly; empty for other types"),
        METHOD_VERSION,
    ),
)

TABLES = (PARAMETERS,)
