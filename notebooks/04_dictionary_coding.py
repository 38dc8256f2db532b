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
# # Dictionary coding and its peers
#
# What lossless compressors make of models: of whole files, of layers (one named tensor each), of chunks of 4 KiB, 64 KiB
# and 1 MiB, of single parameters (a dictionary of the distinct values, and an index a parameter). Beside the dictionary
# coders (zstd, gzip, lz4, brotli, xz) stand methods that know floats: pcodec, blosc2, openzl, lmzip, fpzip, and our own
# `split` and `packed`.
#
# Accounting, everywhere: *bytes in* are the files as stored; *bytes out* hold frames, tables and dictionaries, and 4 bytes
# of length and flag for each coded piece. A piece that coding does not shorten is kept as it is. A method that works on
# layers leaves the types that it does not take, and what is in no layer, to zstd 3, so that every ratio is of whole
# files. Layers of less than 4 KiB are not worth a call of lmzip, whose archive's head alone is larger than what it
# saves. Files and layers are coded in pieces of at most 128 MiB. Every piece was decoded again and compared bit by bit.
#
# The claim of the paper's abstract that stands beside this: modern data reduction tools are not effective on pre-trained
# models (claim A). Which settings its authors took is not known here; theirs in public code are gzip 9 and zstd 3 over
# whole files.

# %%
STUDY = "default"

# %%
import pandas as pd

import analysis
from analysis.claims import claims
from analysis.figures import draw
from analysis.shown import shown
from analysis.views import compression as views

pd.set_option("display.max_colwidth", None, "display.max_rows", 200, "display.precision", 4)
study = analysis.load(STUDY)
print(study.coverage)

# %% [markdown]
# ## All methods
#
# The best setting of each method at each granularity. The bar is the range of the ratio when one family is left out.

# %%
draw("coding_by_method", study)

# %%
stores = views.stores(study)
overall = views.overall(stores)
columns = ["granularity", "method", "n_models", "bytes_in", "bytes_out", "bytes_own", "ratio", "median", "least", "most"]
shown(overall[columns], "overall", dict.fromkeys(["ratio", "median", "least", "most"], "{:.4f}"))

# %% [markdown]
# Claim A, answered by our numbers:

# %%
answer = claims(study)
shown(answer[answer["claim"].str.startswith("dictionary")][["claim", "paper", "ours", "note"]], "claim")

# %% [markdown]
# ## Model by model
#
# Small chunks give zstd little to learn from: the smaller, the less. `xet` is what the Hugging Face Hub does today:
# content-defined chunks, each as the smallest of raw, LZ4 and LZ4 over bytes grouped by four, 8 bytes of header a chunk.

# %%
draw("coding_by_model", study)

# %%
chosen = ["zstd 3", "gzip 9", "brotli 5", "xet", "pcodec 8", "split", "openzl fractions=1", "byte planes + zstd 3"]
picked = overall[overall["method"].isin(chosen)].drop_duplicates("method")[["granularity", "method"]]
ratios = stores.merge(picked, on=["granularity", "method"]).pivot_table(index="model", columns="method", values="ratio")
shown(ratios.reset_index(), "models", dict.fromkeys(ratios.columns, "{:.3f}"))

# %% [markdown]
# ## By element type
#
# Layers alone; a dot a method. Types with less than 0.02 % of the layers' bytes are left out.

# %%
draw("coding_by_dtype", study)

# %%
types = views.by_dtype(study)
types = types[~types["codec"].isin(views.NOT_COMPARED)].sort_values("ratio", ascending=False)
best = types.drop_duplicates("dtype").merge(
    types[types["method"] == "zstd 3"][["dtype", "ratio"]].rename(columns={"ratio": "zstd 3"}), on="dtype", how="left"
)
shown(best[["dtype", "n_units", "bytes_in", "zstd 3", "method", "ratio"]], "types", {"zstd 3": "{:.3f}", "ratio": "{:.3f}"})

# %% [markdown]
# ## By file format
#
# Whole stores; models together by the format that most of their bytes are in.

# %%
formats = views.by_format(study)
formats = formats[~formats["codec"].isin(views.NOT_COMPARED)]
tops = formats.sort_values("ratio", ascending=False).drop_duplicates("format")
zstd = formats[(formats["granularity"] == "file") & (formats["method"] == "zstd 3")][["format", "ratio"]]
tops = tops.merge(zstd.rename(columns={"ratio": "zstd 3, files"}), on="format", how="left")
shown(tops[["format", "bytes_in", "zstd 3, files", "granularity", "method", "ratio"]], "formats", {"zstd 3, files": "{:.3f}", "ratio": "{:.3f}"})

# %% [markdown]
# ## What rearranging does
#
# Byte planes, bit planes, float fields (sign, exponent, mantissa) and differences to the value before, each stream coded
# apart. Repeats of whole byte strings are rare in weights; what dictionary coders find behind a transform is the skewed
# distribution of exponents, with their entropy stage. LZ4, which has none, finds next to nothing in values as they are,
# and behind a transform only what runs through the highest bits.

# %%
draw("coding_transforms", study)

# %% [markdown]
# ## The floor
#
# Order-0 entropy: what a coder could reach that knows each layer's frequencies for free, by whole values, bytes, bits or
# float fields. The plug-in estimate (frequencies taken for probabilities) is far too low where values are many and
# samples few: a layer of n values cannot show more than log2(n) bits. The coverage-adjusted estimate of Chao and Shen
# corrects for what was not seen, and is what methods are to be compared with. A method may come below a floor of another
# kind than its own: context and repeats are not order 0.

# %%
draw("coding_and_floor", study)

# %%
floors = views.floors(study)
shown(floors, "floors", {"estimate": "{:.3f}", "plug_in": "{:.3f}"})

# %% [markdown]
# ## Slow methods, on a sample
#
# Blocks of 256 KiB, one in sixteen of each file's and at least four, drawn without replacement from a fixed seed; a
# stratum a file. Ratio estimates with 95 % intervals. zstd 19 was also run on every block: the cross. zstd 3 stands here
# to tell what blocks of this size cost.

# %%
draw("coding_sampled", study)

# %%
slow = views.samples(study)
shown(slow[["method", "n_blocks", "n_sampled", "bytes_in", "ratio", "low", "high", "in_full"]], "slow", dict.fromkeys(["ratio", "low", "high", "in_full"], "{:.4f}"))

# %% [markdown]
# ## Trained dictionaries
#
# For each family a zstd dictionary of at most 110 KiB trained on the units of even number, used on those of odd number:
# without it, with it, and with its own bytes counted.

# %%
dictionaries = views.dictionaries(study)
shown(dictionaries[["unit", "n_train", "n_test", "bytes_in", "bytes_dictionary", "without", "with_it", "counted"]], "dictionaries", dict.fromkeys(["without", "with_it", "counted"], "{:.4f}"))

# %% [markdown]
# ## Files of a family together
#
# One zstd frame over all files of a family, with its usual window or with long-distance matching over 128 MiB. It finds
# what hash deduplication finds, without saying which layers were equal.

# %%
draw("coding_together", study)
