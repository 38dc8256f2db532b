"""Elves beside its peers."""

from __future__ import annotations

from analysis.tables.spec import FAMILY, FILE, METHOD_VERSION, MODEL, Column, Table

BOUND = Column(
    "error_bound", "number", "absolute error that was asked for; 0 for lossless; empty where the method has its own"
)

ELVES = Table(
    "elves",
    "the layers of one role and dtype of one model, as one method in one setting keeps them within one bound. A whole "
    "model is: the eligible layers of the method, the other layers of `lossless`, and `container`",
    ("family", "model", "codec", "setting", "error_bound", "eligible", "role", "dtype"),
    (
        FAMILY,
        MODEL,
        Column(
            "codec",
            "text",
            "elves, lossless (Elves without loss, the fallback of every method), everything (Elf on every f32 layer, "
            "whatever its role), container (bytes in no layer, header, index), or a peer as elf.codecs.peers names it",
        ),
        Column(
            "setting",
            "text",
            "each layer alone (per tensor) or all of a file one after another (concatenated, shares by parameters), "
            "flat or in the natural shape; predictor, scale or coding where there are several; defaults: the package's",
        ),
        BOUND,
        Column("eligible", "yes/no", "whether the rule lets these layers lose something at their type's own bound"),
        Column("role", "text", "role of the layers; empty for the container"),
        Column("dtype", "text", "element type; empty for the container"),
        Column("version", "text", "package and version that coded; empty for ours"),
        Column("n_layers", "count", "layers"),
        Column(
            "n_refused", "count", "of these, layers that the method refused or failed on: kept as they are, counted"
        ),
        Column("n_params", "count", "their parameters"),
        Column("bytes_in", "bytes", "their bytes as stored"),
        Column("bytes_out", "bytes", "coded bytes with all that decoding needs: heads, lengths, checksums, scales"),
        Column("bytes_in_once", "bytes", "bytes_in with identical layers of the family counted once"),
        Column("bytes_out_once", "bytes", "bytes_out with identical layers of the family counted once"),
        Column(
            "max_abs_error", "number", "largest error after decoding; inf where a value lost or gained being finite"
        ),
        Column("rmse", "number", "root mean square of the errors"),
        Column("rms", "number", "root mean square of the finite values, beside which rmse is the relative error"),
        Column("n_changed", "count", "values with other bits after decoding"),
        Column("n_nonzero", "count", "values that are not zero before"),
        Column("n_zeroed", "count", "of these, values that are zero after decoding"),
        Column("n_beyond", "count", "values further from the original than the bound"),
        Column("kept_bound", "yes/no", "whether no value is beyond the bound; empty where the method has its own"),
        METHOD_VERSION,
    ),
)

CHOICES = Table(
    "choices",
    "one layer with coded bytes of its own in an Elves file at the published bound (2^-24 for f32)",
    ("family", "model", "file", "layer"),
    (
        FAMILY,
        MODEL,
        FILE,
        Column("layer", "text", "name of the tensor"),
        Column("role", "text", "its role"),
        Column("dtype", "text", "its element type"),
        Column("eligible", "yes/no", "whether it may lose something"),
        Column("codec", "text", "what Elves chose, by its name in elf.codecs; elf and steps lose something"),
        Column("bytes_in", "bytes", "bytes of the tensor"),
        Column("bytes_out", "bytes", "coded bytes"),
        Column("reason", "text", "why it may lose something, or why not"),
        METHOD_VERSION,
    ),
)

ELVES_INPUTS = Table(
    "elves_inputs",
    "what a peer makes of a kind of input that is no ordinary weight, at 2^-24 or its own bound; or that it is missing",
    ("codec", "input"),
    (
        Column("codec", "text", "the peer"),
        Column("input", "text", "one value of this kind among ordinary weights; empty when the peer is missing"),
        Column("package", "text", "the package that brings it"),
        Column("version", "text", "its version; empty when it is not installed"),
        Column("outcome", "text", "kept (within the bound), refused, broken (silently wrong), failed, not installed"),
        Column("detail", "text", "the largest error, what became of the worst value, or what to do"),
        METHOD_VERSION,
    ),
)

ELVES_FILES = Table(
    "elves_files",
    "one model file: what Elves keeps beside its layers, and the authors' baseline",
    ("family", "model", "file"),
    (
        FAMILY,
        MODEL,
        FILE,
        Column("bytes_in", "bytes", "bytes of the file with its external data"),
        Column("bytes_rest", "bytes", "of these, bytes in no layer of the Elves file"),
        Column("bytes_container", "bytes", "what keeps them in the Elves file, its header and index included"),
        Column("bytes_zstd", "bytes", "zstd level 3 over the whole file"),
        METHOD_VERSION,
    ),
)

ELVES_FLOOR = Table(
    "elves_floor",
    "the codes of all eligible layers of one model at one bound: how few bits coders of single codes could take",
    ("family", "model", "error_bound"),
    (
        FAMILY,
        MODEL,
        BOUND,
        Column("n_params", "count", "codes: one a parameter"),
        Column("bits", "number", "order-0 entropy, layer by layer: bins of 16 codes, Miller-Madow, place in the bin"),
        Column("bits_plug_in", "number", "the same by frequencies alone: biased low, most where values are few"),
        METHOD_VERSION,
    ),
)

ELVES_STEPS = Table(
    "elves_steps",
    "one model as Elves would keep it with one of its steps alone, or without it, at the published bound",
    ("family", "model", "step", "how"),
    (
        FAMILY,
        MODEL,
        Column(
            "step",
            "text",
            "dedup (identical layers of the family once), a codec of elf.codecs, lossy (elf, steps), all (but delta), "
            "delta (without loss, to the layer of the same name and shape in the nearest file before it in the family)",
        ),
        Column(
            "how",
            "text",
            "alone (nothing else, layers as they are), left out (everything else), added (delta: to everything else, "
            "its relatives kept exactly)",
        ),
        Column("bytes_in", "bytes", "bytes of the model as stored"),
        Column("bytes_out", "bytes", "coded bytes, the container included; each codec tried on each layer as a whole"),
        METHOD_VERSION,
    ),
)

ELVES_PUBLISHED = Table(
    "elves_published",
    "one model file in the published pipeline (deduplication over the family, one method a file, tar, zstd level 3)",
    ("family", "model", "file"),
    (
        FAMILY,
        MODEL,
        FILE,
        Column("bytes_in", "bytes", "bytes of the file with its external data"),
        Column("bytes_shared", "bytes", "in layers whose bytes an earlier layer of the family has: stored once"),
        Column("bytes_float", "bytes", "in the other layers of f16, f32 and f64: what is coded"),
        Column("bytes_other", "bytes", "in the other layers: missing from the archive as it was"),
        Column("bytes_raw", "bytes", "the floats as they are"),
        Column("bytes_de", "bytes", "the floats in distance encoding, before zstd"),
        Column("bytes_elf", "bytes", "the floats in Elf, before zstd"),
        Column("chosen", "text", "raw, de or elf: the smallest of the three before zstd"),
        Column("bytes_as_was", "bytes", "the archive as the code makes and counts it"),
        Column("bytes_corrected", "bytes", "with other layers, the bytes in no layer and a manifest of 20 B a layer"),
        METHOD_VERSION,
    ),
)

TABLES = (ELVES, CHOICES, ELVES_INPUTS, ELVES_FILES, ELVES_FLOOR, ELVES_STEPS, ELVES_PUBLISHED)
