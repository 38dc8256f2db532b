# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How alike are two models, and by what?
#
# Deduplication finds what is equal; similarity detection looks for what is nearly so. Two files are compared as sets by
# their Jaccard similarity: what both have over all that either has. What the sets consist of, the *shingle*, decides
# what is measured:
#
# | shingle | what it is |
# |---|---|
# | chunk | hashes of content-defined chunks, cut from the start of the file |
# | layer | hashes of tensors |
# | parameter | (tensor name, type, position, bits): equal bits at one place of one tensor |
# | value | (type, bits): the set of values that occur, wherever |
#
# Every pair carries three numbers. The *estimate* comes from MinHash sketches (datasketch, and rensa as the fast path).
# The *exact* one is counted. The *null* is what a stand-in of equal size and equal marginals would share: for `value`
# the low half of each value's bits is drawn anew (how round it is stays), for `parameter` and `layer` the values are
# shuffled inside each tensor, for `chunk` it is 0. Models that were made here from others are left out. Which settings
# the paper used is not known to us; these are ours.

# %%
STUDY = "default"

# %%
import pandas as pd

import analysis
from analysis.figures import draw
from analysis.shown import shown
from analysis.views import relatives, similarity

pd.set_option("display.max_colwidth", None, "display.max_rows", 200, "display.precision", 4)
study = analysis.load(STUDY)
print(study.coverage)

# %% [markdown]
# ## Within families, between families, by chance

# %%
draw("similarity_of_pairs", study)

# %% [markdown]
# *Alike*: at least half in common.

# %%
found = similarity.summary(study)
shown(found, "summary", dict.fromkeys(["median relatives", "median strangers", "largest stranger", "largest null"], "{:.2g}"))

# %% [markdown]
# The most alike pairs by equal parameters, and of how many parameters they share the bits.

# %%
SIX = "{:.6f}"
pairs = similarity.pairs(study, "parameter")
columns = ["a", "b", "relation", "jaccard", "jaccard_exact", "jaccard_null", "n_a", "n_b", "n_shared"]
shown(pairs[columns].head(12), "parameters", dict.fromkeys(["jaccard", "jaccard_exact", "jaccard_null"], SIX))

# %% [markdown]
# ## The set of values measures size
#
# A file's values beside Gaussian noise of the same shape (mean and deviation of each tensor), and beside the nearest file
# of its family. Where the last two columns agree, chance explains all that the two files share.

# %%
beside = similarity.beside_noise(study)
shown(beside.head(12), "noise", dict.fromkeys(["with noise", "with the relative", "by chance"], "{:.4f}"))

# %%
draw("values_and_noise", study)

# %% [markdown]
# With the null taken off, kinship is left:

# %%
draw("similarity_map", study)

# %%
excess = similarity.above_chance(study)
shown(excess[excess["jaccard_exact"] < 0.5].head(12), "excess", dict.fromkeys(["jaccard_exact", "jaccard_null", "excess"], SIX))

# %%
strange = excess[excess["relation"] == "stranger"]
if len(strange):
    print(f"{len(strange):,} pairs of two families have values in common; Jaccard less null is between {strange['excess'].min():.4f} and {strange['excess'].max():.4f}")

# %% [markdown]
# ## Telling relatives from strangers
#
# One number for each shingle and score. Who is a relative is known from outside: the study puts the files in one family
# (which includes models of one maker that were trained apart), or these also have one architecture (at least half of the
# larger file's parameters in tensors of the same name, type and shape). The null alone scores too: files of one family
# tend to be of one size, and only files of one architecture have tensors of one name.

# %%
draw("kinship_told", study)

# %%
told = study.kinship.pivot(index=["relation", "shingle", "n_relatives", "n_strangers"], columns="method", values="auroc").reset_index()
shown(told, "kinship", dict.fromkeys([name for name in told.columns if name in set(study.kinship["method"])], "{:.3f}"))

# %% [markdown]
# ## Sketches beside the exact answer

# %%
draw("sketches_agree", study)

# %%
shown(similarity.agreement(study), "agreement", {"within two standard errors": "{:.1%}", "mean error": "{:.4f}"})

# %% [markdown]
# ## Not looking at all pairs
#
# Locality-sensitive hashing cuts each signature into bands and proposes the pairs that agree in one: the cost no longer
# grows with the square of the files. Recall is counted against the exact answer.

# %%
draw("lsh_recall", study)

# %%
lsh = similarity.recall(study)[["shingle", "threshold", "bands", "rows", "n_pairs", "n_candidates", "n_exact_above", "n_found", "recall", "precision"]]
shown(lsh, "lsh", {"threshold": "{:g}"} | dict.fromkeys(["recall", "precision"], "{:.0%}"))

# %% [markdown]
# ## Relatives, bit by bit
#
# Two files have an architecture in common when at least half of the smaller one's bytes lie in layers that match: by
# content, else by name, dtype and shape, else by dtype and shape in order. That alone makes nobody a relative: networks
# that were trained apart have common architectures too. What tells is the bits of the matched layers that differ, beside
# chance: the same layers with one side shuffled, so that both keep their values and lose their places.
#
# A file is compared with at most four earlier ones, found among those that share a large layer's dtype and shape, so that
# hundreds of models cost near linear time. Layers that are identical are hash deduplication's and are not counted again.

# %%
draw("relatives_cosine", study)

# %%
kin = relatives.kinship(study)
columns = ["pair", "n_params", "cosine", "cosine by chance", "relative RMS difference", "equal", "equal by chance", "exponent", "exponent by chance", "leading bytes", "leading bytes by chance"]
formats = {name: "{:.4f}" for name in columns[2:]} | dict.fromkeys(["equal", "equal by chance"], "{:.4%}")
shown(kin[columns] if len(kin) else kin, "kin", formats if len(kin) else None)

# %% [markdown]
# The cosine is over weights alone, since a few large values in other tensors would decide it; the rest is over all float
# layers.
#
# ## Which bits
#
# Relatives agree in sign, exponent and the first bits of the mantissa; the lower bits are as good as random even between
# close relatives, unless parameters were left untouched, which shows as one shade all the way down. 0 is chance, 1 is
# always equal; white: the bit is equal whatever the pairing.

# %%
draw("relatives_bits", study)

# %% [markdown]
# ## Twins: the same tensor in another order, shape or float type
#
# Hash deduplication cannot see a transposed matrix, LSTM gates in another order, or an f16 tensor stored as f32. A hash
# of the multiset of values finds candidates, which are then compared value by value. A reshape saves nothing beside
# untyped layer deduplication, since its bytes are equal.

# %%
shown(relatives.twin_kinds(study), "twin_kinds")

# %%
shown(study.twins[["file_a", "layer_a", "dtype_a", "shape_a", "file_b", "layer_b", "dtype_b", "shape_b", "kind", "how", "bytes_saved"]].head(20), "twins")

# %% [markdown]
# ## Resemblance, as storage systems detect it
#
# Chunks cut by content are kept once; of the distinct ones, those that share a super-feature are taken for similar, and
# the later one is coded by zstd with the earlier one as dictionary. Twelve features (the largest of a linear function of
# the gear hash over all windows: *n-transform*; or over one window of 128 that the content picks: *odess*) make three
# super-features. Counted: 20 bytes a chunk and for the base of a delta, 64 bytes of index and 24 of super-features a
# distinct chunk. Grey: the same store and the same compressor without deltas.

# %%
draw("resemblance_saving", study)

# %%
chunks = relatives.resemblance(study)
shown(chunks[["chunking", "method", "n_chunks", "n_unique", "n_similar", "n_deltas", "bytes_in", "bytes_payload", "bytes_recipe", "bytes_index", "bytes_features", "saving", "added"]], "chunks", dict.fromkeys(["saving", "added"], "{:.2%}"))

# %% [markdown]
# ## Deltas against a relative
#
# The layers that differ, coded alone and against their match: *xor* is what ZipLLM calls BitX (the bits that differ,
# split by float field), *difference* that of bit patterns as integers (FM-Delta), *patch-from* zstd with the base as
# prefix. Every method is verified bit by bit; heads, block indexes and checksums are counted.

# %%
draw("relatives_deltas", study)

# %%
deltas = relatives.delta_ratios(study)
shown(deltas, "deltas", dict.fromkeys([name for name in deltas.columns if name in {*relatives.METHODS}], "{:.3f}") | {"gain": "{:+.1%}"})

# %% [markdown]
# `gain` is how much smaller the best of all gets than the float split alone. Whole files under zstd with the other file
# as prefix, beside zstd alone:

# %%
files = relatives.delta_ratios(study, "file")
shown(files.head(12), "files", dict.fromkeys([name for name in files.columns if name in {*relatives.METHODS}], "{:.3f}"))

# %% [markdown]
# ## A whole store: ZipLLM's pipeline
#
# Identical files once, identical tensors once, then each distinct tensor by the smallest of zstd, a float split and XOR
# against the best relative (here the best is found by trying, which is an upper bound for any rule that guesses). What
# lies in no tensor is kept as it is. The last step also allows the other deltas.

# %%
draw("pipeline_steps", study)

# %%
steps = relatives.pipeline(study)
shown(steps, "steps", {"ratio": "{:.4f}", "saving": "{:.2%}", "added": "{:+.2%}"})

# %% [markdown]
# The same without one family at a time, the last step:

# %%
without = relatives.pipeline(study, "without_family")
last = without[without["step"].isin(["4 float codec", "5 zipllm"])]
shown(last[["name", "step", "n_deltas", "bytes_in", "bytes_out", "ratio", "added"]], "without", {"ratio": "{:.4f}", "added": "{:+.2%}"})
