"""What the parameters are like."""

from __future__ import annotations

from analysis.tables.spec import FAMILY, METHOD_VERSION, MODEL, Column, Table

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

ROLE = Column("role", "text", "role of the tensors: weight, norm, bias, optimizer, scale or other")
DTYPE = Column("dtype", "text", "element type")

EXPONENTS = Table(
    "exponents",
    "the parameters of one role, dtype and exponent in one model; aliases not counted",
    ("family", "model", "role", "dtype", "exponent"),
    (
        FAMILY,
        MODEL,
        ROLE,
        DTYPE,
        Column(
            "exponent",
            "count",
            "floats: the exponent field less its bias, so that 2^exponent is the largest power of two within the value;"
            " the lowest of a dtype holds zeros and subnormal numbers, the highest NaN and infinities (not in every"
            " 8-bit type). Integers: floor(log2 |v|), and -1 for zero",
        ),
        Column("n", "count", "parameters"),
        Column("n_negative", "count", "of these, with the sign bit set"),
        METHOD_VERSION,
    ),
)

MAGNITUDES = Table(
    "magnitudes",
    "the float parameters of one role and dtype in one model, added up; aliases not counted",
    ("family", "model", "role", "dtype"),
    (
        FAMILY,
        MODEL,
        ROLE,
        DTYPE,
        Column("n_finite", "count", "parameters that are neither NaN nor infinite; what follows is over these"),
        Column("minimum", "number", "the least value; empty when there is none"),
        Column("maximum", "number", "the greatest value"),
        Column("sum", "number", "sum of the values, in float64 in the order of the files"),
        Column("sum_squares", "number", "sum of their squares; empty beyond float64"),
        METHOD_VERSION,
    ),
)

REPEATS = Table(
    "repeats",
    "the parameters of one dtype in one model whose bit pattern last occurred about so far back; aliases not counted",
    ("family", "model", "dtype", "log2_distance"),
    (
        FAMILY,
        MODEL,
        DTYPE,
        Column(
            "log2_distance",
            "count",
            "floor(log2 distance) in parameters; all tensors of the dtype in a file follow one another. -1: the pattern"
            " did not occur before in this file, nor in this window of a larger file (2^25 parameters by default)",
        ),
        Column("n", "count", "parameters"),
        METHOD_VERSION,
    ),
)

TABLES = (PARAMETERS, EXPONENTS, MAGNITUDES, REPEATS)
