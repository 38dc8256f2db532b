"""Which files are alike, by which shingle, and what that says of kinship."""

from __future__ import annotations

from analysis.tables.spec import METHOD_VERSION, Column, Table

SHINGLE = Column(
    "shingle",
    "text",
    "what the sets that are compared consist of. chunk: hashes of content-defined chunks. layer: hashes of tensors. "
    "parameter: (tensor name, dtype, position, bit pattern). value: (dtype, bit pattern), the values that occur",
)

SIMILARITY = Table(
    "similarity",
    "two files of original models, one shingle and one sketch; pairs whose jaccard, jaccard_exact and jaccard_null are "
    "all 0 have no row",
    ("shingle", "method", "a", "b"),
    (
        Column("granularity", "text", "chunk, layer or parameter"),
        SHINGLE,
        Column("method", "text", "who sketched: datasketch (the reference) or rensa (the fast path)"),
        Column("a", "text", "the first file by name, as model/file"),
        Column("b", "text", "the second"),
        Column("jaccard", "number", "the sketches' estimate: share of permutations with the same minimum"),
        Column("standard_error", "number", "of the estimate: sqrt(jaccard (1 - jaccard) / permutations)"),
        Column("jaccard_exact", "number", "shared / distinct shingles of both; empty where it was not counted"),
        Column(
            "jaccard_null",
            "number",
            "expected when b is replaced by a stand-in of equal size and marginals. value: the low half of the bits of "
            "each value drawn anew, its trailing zeros kept. parameter: values shuffled inside each tensor. layer: "
            "the same, which only layers of one single value survive. chunk: 0",
        ),
        Column(
            "jaccard_bytes", "number", "exact, each chunk or layer weighed by its bytes; empty for parameter and value"
        ),
        Column("n_a", "count", "distinct shingles of a"),
        Column("n_b", "count", "distinct shingles of b"),
        Column("n_shared", "count", "distinct shingles of both; empty where it was not counted"),
        Column("family_a", "text", "family of a"),
        Column("family_b", "text", "family of b"),
        Column(
            "relation",
            "text",
            "architecture: one family, and at least half of the larger file's parameters are in tensors that both have "
            "by name, dtype and shape. family: one family. stranger: two families",
        ),
        Column("proposed_at", "number", "the highest threshold of lsh.csv at which LSH proposes the pair; else empty"),
        Column("unit", "text", "the shingles in full: which chunking rule, which hash, which elements"),
        Column("permutations", "count", "length of the signature"),
        Column("scheme", "text", "how permutations are made and signatures filled"),
        Column("seed", "count", "of the permutations"),
        METHOD_VERSION,
    ),
)

KINSHIP = Table(
    "kinship",
    "how well one score of one shingle tells relatives from strangers",
    ("shingle", "method", "relation"),
    (
        SHINGLE,
        Column(
            "method",
            "text",
            "the score of a pair. datasketch, rensa: estimates. exact, bytes: as in similarity.csv. null: the stand-in "
            "alone. excess: exact less null",
        ),
        Column("relation", "text", "who counts as relative: family, or only architecture (see similarity.csv)"),
        Column("n_files", "count", "files that have such shingles"),
        Column("n_relatives", "count", "pairs of relatives"),
        Column("n_strangers", "count", "pairs of files of two families"),
        Column("n_relatives_above_zero", "count", "of the relatives, those with a score above 0"),
        Column("n_strangers_above_zero", "count", "of the strangers"),
        Column(
            "auroc",
            "number",
            "chance that a relative pair scores higher than a pair of strangers, a tie counting half: 0.5 = blind; "
            "empty without pairs of both kinds",
        ),
        METHOD_VERSION,
    ),
)

LSH = Table(
    "lsh",
    "candidate pairs that locality-sensitive hashing finds for one shingle at one threshold (datasketch)",
    ("shingle", "threshold"),
    (
        SHINGLE,
        Column("threshold", "number", "similarity at or above which pairs are looked for"),
        Column("bands", "count", "pieces of a signature, any of which may agree"),
        Column("rows", "count", "permutations in a piece"),
        Column("n_files", "count", "files that have such shingles"),
        Column("n_pairs", "count", "all their pairs: what is compared without LSH"),
        Column("n_candidates", "count", "pairs that LSH proposes: what is compared with it"),
        Column("n_known", "count", "pairs whose exact similarity was counted"),
        Column("n_exact_above", "count", "of these, pairs at or above the threshold"),
        Column("n_found", "count", "of these, pairs that LSH proposes: recall = n_found / n_exact_above"),
        METHOD_VERSION,
    ),
)

NOISE = Table(
    "value_noise",
    "the values of one float type in one file beside Gaussian noise of the same shape, with each tensor's mean and "
    "standard deviation",
    ("file", "dtype"),
    (
        Column("file", "text", "which file, as model/file"),
        Column("dtype", "text", "f16, f32 or f64"),
        Column("n_params", "count", "parameters, aliases not counted"),
        Column("n_values", "count", "distinct bit patterns among them"),
        Column("n_noise", "count", "distinct bit patterns of as many Gaussian numbers"),
        Column("n_shared", "count", "distinct bit patterns of both"),
        Column("seed", "count", "of the noise"),
        METHOD_VERSION,
    ),
)

TABLES = (SIMILARITY, KINSHIP, LSH, NOISE)
