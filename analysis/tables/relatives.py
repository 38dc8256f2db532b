"""Relatives: pairs of files that have an architecture in common, and what their common layers share."""

from __future__ import annotations

from analysis.tables.spec import METHOD_VERSION, Column, Table

PAIR_KEY = ("model_a", "file_a", "model_b", "file_b")
PAIR = (
    Column("model_a", "text", "model of the earlier file, in the study's order: the base"),
    Column("file_a", "text", "the earlier file"),
    Column("model_b", "text", "model of the later file: the target"),
    Column("file_b", "text", "the later file"),
)
NULL = "the same with one side shuffled within each layer: what chance gives"

RELATIVES = Table(
    "relatives",
    "the float layers of one dtype and role that match between two related files",
    (*PAIR_KEY, "dtype", "role"),
    (
        *PAIR,
        Column("dtype", "text", "element type"),
        Column("role", "text", "role of the layers: weight, norm, bias, optimizer, scale or other"),
        Column("n_layers", "count", "matched layers whose bytes differ; all counts but the next two are over these"),
        Column("n_layers_identical", "count", "matched layers that are identical, which hash deduplication finds"),
        Column("n_params_identical", "count", "parameters in these"),
        Column("n_params", "count", "parameters in matched layers that differ"),
        Column("n_equal", "count", "of these, with all bits equal"),
        Column("n_sign", "count", "with equal sign"),
        Column("n_exponent", "count", "with equal exponent field"),
        Column("n_lead_1", "count", "whose leading byte is equal: the XOR has a leading zero byte"),
        Column("n_lead_2", "count", "whose two leading bytes are equal"),
        Column("n_bytes_leading", "bytes", "leading equal bytes of all parameters together"),
        Column("n_finite", "count", "pairs of which both are finite: the sums are over these"),
        Column("null_equal", "count", f"n_equal, {NULL}"),
        Column("null_sign", "count", "n_sign, shuffled"),
        Column("null_exponent", "count", "n_exponent, shuffled"),
        Column("null_lead_1", "count", "n_lead_1, shuffled"),
        Column("null_lead_2", "count", "n_lead_2, shuffled"),
        Column("null_bytes_leading", "bytes", "n_bytes_leading, shuffled"),
        Column("sum_ab", "number", "sum of products; cosine = sum_ab / sqrt(sum_aa * sum_bb)"),
        Column("sum_aa", "number", "sum of the base's squares"),
        Column("sum_bb", "number", "sum of the target's squares"),
        Column("sum_dd", "number", "sum of squared differences; relative RMS difference = sqrt(sum_dd / sum_aa)"),
        Column("null_sum_ab", "number", "sum_ab, shuffled"),
        Column("null_sum_dd", "number", "sum_dd, shuffled"),
        METHOD_VERSION,
    ),
)

RELATIVE_BITS = Table(
    "relative_bits",
    "one bit position of the float layers of one dtype that match between two related files and differ",
    (*PAIR_KEY, "dtype", "bit"),
    (
        *PAIR,
        Column("dtype", "text", "element type"),
        Column("bit", "count", "position, 0 being the lowest of the mantissa"),
        Column("field", "text", "sign, exponent or mantissa"),
        Column("n_params", "count", "parameters compared"),
        Column("n_equal", "count", "of these, with this bit equal"),
        Column("null_equal", "count", NULL),
        METHOD_VERSION,
    ),
)

TABLES = (RELATIVES, RELATIVE_BITS)
