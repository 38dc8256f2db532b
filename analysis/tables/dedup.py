"""Hash deduplication."""

from __future__ import annotations

from analysis.tables.spec import METHOD_VERSION, Column, Table

HASH_DEDUP = Table(
    "hash_dedup",
    "one deduplicating store (what it cuts, where it looks for duplicates) over one file, model, family or study",
    ("granularity", "method", "scope", "name"),
    (
        Column(
            "granularity", "text", "file, layer, chunk, parameter; rest = bytes in no tensor; identity = nothing done"
        ),
        Column(
            "method",
            "text",
            "file: whole. layer: typed (equal bytes, dtype and shape) or untyped (equal bytes). chunk: cutting rule @ "
            "anchor (where cutting starts: the file or each tensor). parameter: the dtype",
        ),
        Column(
            "scope",
            "text",
            "how far the store sees: one file, model, family or the study; without_family = the study less that family",
        ),
        Column("name", "text", "which file (model/file), model, family or study"),
        Column("n_units", "count", "units in: files, layers, chunks, parameters"),
        Column("n_unique", "count", "units kept"),
        Column("bytes_in", "bytes", "bytes of the units as stored"),
        Column("bytes_payload", "bytes", "bytes of the units kept"),
        Column(
            "bytes_recipe",
            "bytes",
            "what it takes to put the originals together: 20 B a reference; parameters: n x ceil(log2 distinct) bits",
        ),
        Column(
            "bytes_index",
            "bytes",
            "what it takes to find a unit: 64 B a unique entry; parameters: none, the payload is the table",
        ),
        METHOD_VERSION,
    ),
)

SHARED_BYTES = Table(
    "shared_bytes",
    "what two models have in common, each distinct unit counted once",
    ("granularity", "method", "model_a", "model_b"),
    (
        Column("granularity", "text", "file, layer or chunk"),
        Column("method", "text", "as in hash_dedup"),
        Column("model_a", "text", "the first model by name"),
        Column("model_b", "text", "the second"),
        Column("family_a", "text", "family of the first"),
        Column("family_b", "text", "family of the second"),
        Column("n_units", "count", "distinct units that both have"),
        Column("bytes", "bytes", "their bytes"),
        METHOD_VERSION,
    ),
)

DUPLICATES = Table(
    "duplicates",
    "layers that occur equally often, by role and dtype: reference counts of typed layers over the study",
    ("role", "dtype", "references"),
    (
        Column("role", "text", "role of the layer where it is first seen"),
        Column("dtype", "text", "element type"),
        Column("references", "count", "how often the same bytes with the same dtype and shape occur in the study"),
        Column("n_unique", "count", "distinct layers with so many references"),
        Column("bytes_unique", "bytes", "their bytes, each once"),
        Column("smallest", "bytes", "bytes of the smallest of them"),
        Column("median", "bytes", "the lower median of their bytes"),
        Column("largest", "bytes", "bytes of the largest of them"),
        METHOD_VERSION,
    ),
)

TABLES = (
    HASH_DEDUP,
    SHARED_BYTES,
    DUPLICATES,
)
