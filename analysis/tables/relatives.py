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

DELTAS = Table(
    "deltas",
    "what one method makes of the changed layers of a file, given a related file, or of the whole file",
    (*PAIR_KEY, "unit", "method"),
    (
        *PAIR,
        Column("unit", "text", "layers: matched layers whose bytes differ and that the base does not hold; file: all"),
        Column(
            "method",
            "text",
            "identity; alone: zstd (level 3), split (by float field); against the base: xor (split by field; BitX), "
            "difference (of bit patterns; FM-Delta), patch-from (zstd 3 with the base as prefix); best of all of these",
        ),
        Column("n_units", "count", "distinct layers, or 1 file"),
        Column("bytes_in", "bytes", "their bytes"),
        Column(
            "bytes_out", "bytes", "coded, heads, block indexes and checksums counted; a layer as it is where smaller"
        ),
        METHOD_VERSION,
    ),
)

PIPELINE = Table(
    "pipeline",
    "the whole study, or all but one family, as one store would keep it: each step on top of those before it",
    ("scope", "name", "step"),
    (
        Column("scope", "text", "study; without_family = the study less that family"),
        Column("name", "text", "which study or family"),
        Column(
            "step",
            "text",
            "0 identity; 1 file dedup; 2 tensor dedup; then each distinct tensor by the smallest of: 3 zstd (level 3); "
            "4 float codec (split, zstd); 5 zipllm (these, and XOR against the best relative); 6 any delta (these, "
            "difference and patch-from); always or as it is",
        ),
        Column("n_units", "count", "references: files, from step 2 on tensors of distinct files"),
        Column("n_unique", "count", "distinct ones, which are kept"),
        Column("n_deltas", "count", "of these, kept as a delta"),
        Column("bytes_in", "bytes", "bytes of the files as stored"),
        Column("bytes_payload", "bytes", "what is kept, the bytes in no tensor as they are"),
        Column("bytes_recipe", "bytes", "20 B a reference to a file or tensor, and 20 B for the base of a delta"),
        Column("bytes_index", "bytes", "64 B a distinct file or tensor"),
        METHOD_VERSION,
    ),
)

TWINS = Table(
    "twins",
    "a distinct tensor that is another one in another order, shape or float type, which layer deduplication cannot see",
    (*PAIR_KEY, "layer_a", "layer_b"),
    (
        *PAIR,
        Column("layer_a", "text", "the tensor that comes first in the study"),
        Column("layer_b", "text", "its twin"),
        Column("dtype_a", "text", "element type of the first"),
        Column("dtype_b", "text", "element type of the twin"),
        Column("shape_a", "text", "shape of the first, dimensions joined by x"),
        Column("shape_b", "text", "shape of the twin"),
        Column(
            "kind",
            "text",
            "transposition; reshape (equal bytes, other shape); gates (blocks in another order); cast (exact, to "
            "another float type), alone or with one of these; reordered: equal values in an order that was not found",
        ),
        Column("how", "text", "order of the axes, or of the blocks"),
        Column("bytes_a", "bytes", "bytes of the first"),
        Column("bytes_b", "bytes", "bytes of the twin"),
        Column(
            "bytes_saved",
            "bytes",
            "what storing one of them drops beside untyped layer deduplication: the wider one of a cast; 0 for a "
            "reshape, whose bytes are equal, and for reordered",
        ),
        Column("bytes_recipe", "bytes", "20 B that say which tensor and how, where something is saved"),
        METHOD_VERSION,
    ),
)

RESEMBLANCE = Table(
    "resemblance",
    "one store of content-defined chunks that keeps distinct ones under zstd, similar ones as deltas or not",
    ("method", "chunking", "scope", "name"),
    (
        Column("method", "text", "how similar chunks are found: none; n-transform; odess"),
        Column("chunking", "text", "cutting rule, from each file's start"),
        Column("scope", "text", "how far the store sees: one model, family or the study"),
        Column("name", "text", "which one"),
        Column("n_chunks", "count", "chunks in"),
        Column("n_unique", "count", "distinct chunks"),
        Column("n_similar", "count", "of these, with a super-feature in common with an earlier one"),
        Column("n_deltas", "count", "of these, smaller as a delta than alone, its base's name counted"),
        Column("bytes_in", "bytes", "bytes of the chunks, which are those of the files"),
        Column("bytes_unique", "bytes", "of the distinct ones, before compression"),
        Column(
            "bytes_payload", "bytes", "kept: distinct chunks under zstd (level 3), alone or as deltas, or as they are"
        ),
        Column("bytes_recipe", "bytes", "20 B a chunk in, and 20 B for the base of a delta"),
        Column("bytes_index", "bytes", "64 B a distinct chunk"),
        Column("bytes_features", "bytes", "what finding similar chunks costs beside: 3 x 8 B a distinct chunk"),
        METHOD_VERSION,
    ),
)

TABLES = (RELATIVES, RELATIVE_BITS, DELTAS, PIPELINE, TWINS, RESEMBLANCE)
