"""Deduplication and compression together, and the whole way from bytes as stored to the best lossless total."""

from __future__ import annotations

from analysis.tables.spec import METHOD_VERSION, Column, Table

COMPOSITION = Table(
    "composition",
    "one order of deduplication and compression, at one granularity, with one codec, over one model, family or study",
    ("order", "coded", "granularity", "method", "codec", "scope", "name"),
    (
        Column(
            "order",
            "text",
            "identity: nothing done; dedup; compress; dedup-compress: each unique unit coded on its own; "
            "compress-dedup: coded first, the coded bytes cut and deduplicated",
        ),
        Column("coded", "text", "what the codec is given at a time: file, layer or chunk; empty when nothing is coded"),
        Column("granularity", "text", "what is deduplicated: file, layer or chunk; empty when nothing is"),
        Column(
            "method",
            "text",
            "file: whole. layer: untyped (tensors of 1 KiB and more, and the rest of each file as one unit). chunk: "
            "cutting rule @ anchor; after compression the coded bytes are cut",
        ),
        Column(
            "codec",
            "text",
            "stored (in compress-dedup: layers moved together, the rest of the file behind them); zstd-3; "
            "lz4-bg4: raw, LZ4 or LZ4 over bytes grouped by four, the smallest, as Xet does, by 1 MiB; "
            "split: exponents apart from mantissas; elves: the smallest of elf's lossless codecs, or an Elves file",
        ),
        Column("scope", "text", "how far the store sees: one model, family or the study"),
        Column("name", "text", "which model, family or study"),
        Column("n_units", "count", "units in: files, layers, chunks; chunks of coded bytes in compress-dedup"),
        Column("n_unique", "count", "units kept"),
        Column("bytes_in", "bytes", "bytes of the files as stored"),
        Column("bytes_payload", "bytes", "bytes of the units kept, coded; of equal units with other lengths the most"),
        Column("bytes_recipe", "bytes", "20 B a reference of a deduplicating store"),
        Column("bytes_index", "bytes", "64 B a unique entry of a deduplicating store; 5 B a coded unit"),
        METHOD_VERSION,
    ),
)

WATERFALL = Table(
    "waterfall",
    "one step from bytes as stored to the best lossless total of one family or the study; the steps add up to it",
    ("scope", "name", "order"),
    (
        Column("scope", "text", "study or family: deduplicated within it"),
        Column("name", "text", "which one"),
        Column("order", "count", "place of the step: each works on what the ones before it left"),
        Column(
            "step",
            "text",
            "as stored; identical files; not in a tensor (coded: headers, graphs, tensors under 1 KiB or not stored "
            "plain); identical layers; casts and transposes; chunks; deltas to relatives; entropy of the rest; "
            "metadata (20 B a reference, 64 B a unique entry, 5 B a coded unit); best lossless total",
        ),
        Column("n_units", "count", "files or layers that the step is about; for metadata its references"),
        Column("bytes", "bytes", "as stored and total: bytes; others: what the step adds, below zero where it saves"),
        Column(
            "bytes_left_out",
            "bytes",
            "the total when this step alone is left out, all others taking what they can; the total itself in the rows "
            "that are no step",
        ),
        METHOD_VERSION,
    ),
)

TABLES = (COMPOSITION, WATERFALL)
