"""What a study consists of, and what could not be measured."""

from __future__ import annotations

from analysis.tables.spec import FAMILY, FILE, METHOD_VERSION, MODEL, Column, Table

MODELS = Table(
    "models",
    "one model of the study",
    ("family", "model"),
    (
        FAMILY,
        MODEL,
        Column(
            "source",
            "text",
            "where it was pulled from, as the YAML names it: pypi:, hub:, path:, hub_cache: or derive:",
        ),
        Column("revision", "text", "what pins it: the wheel's sha256 or the repository's commit; empty for a path"),
        Column("task", "text", "what the model is for"),
        Column(
            "derived",
            "yes/no",
            "made here from another model (a cast, a re-shard); kept out of family and study totals",
        ),
        Column("n_files", "count", "weight files measured"),
        Column("bytes", "bytes", "bytes of these files as stored: the denominator of every ratio"),
        Column("bytes_tensors", "bytes", "of these, bytes that belong to a tensor"),
        Column("n_layers", "count", "named tensors, aliases included"),
        Column("n_params", "count", "parameters of tensors that are not aliases"),
    ),
)

LAYERS = Table(
    "layers",
    "one named tensor of one file",
    ("family", "model", "file", "index"),
    (
        FAMILY,
        MODEL,
        FILE,
        Column("index", "count", "position of the tensor in the file"),
        Column(
            "format",
            "text",
            "of the file: safetensors, npy, npz, pytorch, pytorch-legacy, torchscript, onnx, hdf5, keras, gguf, tflite",
        ),
        Column("layer", "text", "name of the tensor"),
        Column("role", "text", "weight, norm, bias, optimizer, scale or other"),
        Column("dtype", "text", "element type"),
        Column("shape", "text", "shape, dimensions joined by x; empty for a scalar"),
        Column("n_params", "count", "elements"),
        Column("offset", "bytes", "where its bytes start in the file; empty when they are not stored plain"),
        Column("bytes", "bytes", "bytes of the tensor, decoded"),
        Column("bytes_stored", "bytes", "bytes of the file that belong to it: 0 for an alias"),
        Column("alias_of", "text", "the tensor of this file whose bytes it shares; empty otherwise"),
        Column("xxh3_128", "text", "content hash of the decoded bytes, 32 hexadecimal digits"),
        Column("n_distinct", "count", "distinct bit patterns; empty where elements do not fall on bytes"),
        Column("n_zero", "count", "elements that are zero, of either sign"),
        Column("n_in_unit_interval", "count", "floats in (-1, 1); empty for other types"),
        Column("n_nonfinite", "count", "NaN and infinities; empty for other types"),
        Column("n_f16_exact", "count", "floats that f16 holds exactly; empty for other types"),
        Column("n_bf16_exact", "count", "floats that bf16 holds exactly; empty for other types"),
        METHOD_VERSION,
    ),
)

FAILURES = Table(
    "failures",
    "a model, file or method that could not be measured",
    ("family", "model", "file", "step", "error", "reason"),
    (
        FAMILY,
        MODEL,
        Column("file", "text", "file inside the model; empty when the whole model is missing"),
        Column("step", "text", "pull or the measure that failed"),
        Column("error", "text", "kind of error"),
        Column("reason", "text", "what happened and what to do, in one line"),
    ),
)

TABLES = (
    MODELS,
    LAYERS,
    FAILURES,
)
