"""Lossless coding: what methods make of files, layers, chunks and parameters, and the floor beneath them."""

from __future__ import annotations

from analysis.tables.spec import FAMILY, METHOD_VERSION, MODEL, Column, Table

_METHOD = (
    Column("granularity", "text", "file, layer, chunk-BYTES, chunk-xet, parameter (a dictionary of values for each "
           "layer), or rest: what is in no layer"),
    Column("transform", "text", "rearrangement before coding: none, byte_planes, bit_planes, fields (sign, exponent, "
           "mantissa) or zigzag_delta"),
    Column("codec", "text", "what codes; identity does nothing"),
    Column("params", "text", "parameters of the codec, name=value; empty when it has none"),
)  # fmt: skip

COMPRESSION = Table(
    "compression",
    "one lossless method on the units of one dtype of one model; every unit was decoded again, bit by bit",
    ("family", "model", "granularity", "transform", "codec", "params", "dtype"),
    (
        FAMILY,
        MODEL,
        *_METHOD,
        METHOD_VERSION,
        Column("dtype", "text", "element type of the layers; empty where bytes are coded as bytes"),
        Column("n_units", "count", "units: files, layers, chunks; at parameter granularity elements"),
        Column("n_kept", "count", "units that were kept as they are: coding did not shorten them"),
        Column("bytes_in", "bytes", "bytes of the files that these units take"),
        Column(
            "bytes_out",
            "bytes",
            "coded, frames, tables and dictionaries included, and 4 bytes of length a coded piece (xet: 8 a chunk)",
        ),
    ),
)

COMPRESSION_SAMPLE = Table(
    "compression_sample",
    "one slow lossless method on a seeded sample of the blocks of one model's files",
    ("family", "model", "granularity", "transform", "codec", "params"),
    (
        FAMILY,
        MODEL,
        *_METHOD,
        METHOD_VERSION,
        Column("n_blocks", "count", "blocks of all files"),
        Column("n_sampled", "count", "blocks in the sample, drawn from every file"),
        Column("bytes", "bytes", "bytes of all files"),
        Column("bytes_in", "bytes", "bytes of the sample"),
        Column("bytes_out", "bytes", "the sample coded, with 4 bytes of length a block"),
        Column(
            "bytes_estimate", "number", "estimated coded bytes of all files: each file's sample ratio times its bytes"
        ),
        Column("variance", "number", "of that estimate, in bytes squared; estimates and variances of models add up"),
    ),
)

ENTROPY = Table(
    "entropy",
    "order-0 entropy of one field of the values of one dtype of one model, summed over layers",
    ("family", "model", "dtype", "field", "position"),
    (
        FAMILY,
        MODEL,
        Column("dtype", "text", "element type"),
        Column("field", "text", "value (the whole bit pattern), byte, bit, sign, exponent or mantissa"),
        Column("position", "count", "which byte or bit, from the lowest up; 0 for the others"),
        Column("width", "count", "bits that the field has"),
        METHOD_VERSION,
        Column("n_layers", "count", "layers, each with frequencies of its own"),
        Column("n_params", "count", "values"),
        Column("bits_plug_in", "number", "bits of all values, frequencies taken for probabilities: too low"),
        Column("bits_estimate", "number", "bits of all values, coverage-adjusted (Chao and Shen), at most width each"),
    ),
)

DICTIONARIES = Table(
    "dictionaries",
    "a zstd dictionary trained on the even units of a family, used on the odd ones",
    ("family", "unit", "level"),
    (
        FAMILY,
        Column("unit", "text", "chunk-BYTES, or layer: layers of at most 64 KiB"),
        Column("level", "count", "zstd's level"),
        METHOD_VERSION,
        Column("n_train", "count", "units that it was trained on"),
        Column("n_test", "count", "units that it was used on"),
        Column("bytes_in", "bytes", "bytes of the latter"),
        Column("bytes_dictionary", "bytes", "bytes of the dictionary"),
        Column("bytes_out", "bytes", "coded with it, 4 bytes of length a unit; the dictionary not included"),
        Column("bytes_out_without", "bytes", "the same units coded without"),
    ),
)

LONG_DISTANCE = Table(
    "long_distance",
    "zstd over the files of a family, each apart or one after the other, with long-distance matching or without",
    ("family", "method", "scope"),
    (
        FAMILY,
        Column("method", "text", "zstd, or zstd long: long-distance matching with a window of 2^27 bytes"),
        Column("scope", "text", "file: each apart; family: one frame over all of them"),
        METHOD_VERSION,
        Column("bytes_in", "bytes", "bytes of the files"),
        Column("bytes_out", "bytes", "coded"),
    ),
)

TABLES = (COMPRESSION, COMPRESSION_SAMPLE, ENTROPY, DICTIONARIES, LONG_DISTANCE)
