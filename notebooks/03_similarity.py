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
from analysis.views import similarity

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
