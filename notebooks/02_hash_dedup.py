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
# # Hash deduplication at every granularity
#
# Equal bytes are stored once. What is a unit: a file, a layer (one named tensor), a chunk (of fixed size or cut by
# content), a single parameter? The smaller the unit, the more repeats, and the more it costs to say where each belongs.
#
# Accounting, everywhere: *bytes in* are the files as stored; *payload* the units kept; *recipe* 20 bytes a reference
# (16 of hash, 4 of length), for parameters ceil(log2 distinct) bits each; *index* 64 bytes a unique unit. Layer and
# parameter stores keep the bytes that are in no tensor (headers, graphs, padding) as they are. Cutting can start at the
# file's first byte (*@ file*) or anew at every tensor (*@ tensor*).

# %%
STUDY = "default"

# %%
import pandas as pd

import analysis
from analysis.figures import draw
from analysis.shown import shown

pd.set_option("display.max_colwidth", None, "display.max_rows", 200, "display.precision", 4)
study = analysis.load(STUDY)
print(study.coverage)

# %% [markdown]
# ## By granularity

# %%
draw("saving_by_granularity", study)

# %%
stores = study.dedup()[["granularity", "method", "n_units", "n_unique", "bytes_in", "bytes_payload", "bytes_recipe", "bytes_index", "ratio_payload", "ratio"]]
shown(stores.sort_values("ratio", ascending=False), "stores", dict.fromkeys(["ratio_payload", "ratio"], "{:.4f}"))

# %% [markdown]
# The same as savings of the whole study, and of stores for one model each (the median model, the best one). *Kept bytes
# only* leaves out recipes and index, the other columns count them.

# %%
savings = study.savings()
shown(savings, "savings", dict.fromkeys(savings.columns[2:], "{:.2%}"))

# %% [markdown]
# ## By chunk size
#
# Dashed lines with squares: cutting starts anew at each tensor, so that equal tensors give equal chunks wherever they
# lie in a file. What Hugging Face publishes of Xet (target 64 KiB, minimum 8 KiB, maximum 128 KiB) is `xet`.

# %%
draw("saving_by_chunk_size", study)

# %% [markdown]
# ## Where the duplicates are
#
# For each distinct unit with n references: n - files of them are repeats inside a file, files - models between files of
# a model, models - families between models of a family, families - 1 across families. The parts do not depend on any
# order of the models.

# %%
draw("saving_by_scope", study)

# %% [markdown]
# ## Model by model
#
# What a store sees that holds one model alone.

# %%
draw("saving_by_model", study)

# %% [markdown]
# The models with most to gain from a store of their own layers:

# %%
alone = study.dedup("model")
alone = alone[(alone["granularity"] == "layer") & (alone["method"] == "typed")].sort_values("ratio", ascending=False)
shown(alone[["name", "n_units", "n_unique", "bytes_in", "ratio_payload", "ratio"]].head(5), "alone", dict.fromkeys(["ratio_payload", "ratio"], "{:.2f}x"))

# %% [markdown]
# ## How much one family matters

# %%
draw("leave_one_family_out", study)

# %% [markdown]
# The least and the most that is saved when one family is left out, and without which family. First kept bytes only, then
# with recipes and index.

# %%
ranges = dict.fromkeys(["all families", "least", "most"], "{:.2%}")
shown(study.family_ranges("saving_payload"), "families_kept", ranges)

# %%
shown(study.family_ranges(), "families", ranges)

# %% [markdown]
# ## Which layers repeat
#
# How often, of what kind, how large.

# %%
draw("reference_counts", study)

# %%
draw("duplicate_sizes", study)

# %%
repeated = study.duplicates[study.duplicates["references"] > 1]
by_role = repeated.assign(dropped=repeated["bytes_unique"] * (repeated["references"] - 1)).groupby("role", as_index=False)
by_role = by_role.agg(layers=("n_unique", "sum"), references_at_most=("references", "max"), bytes_dropped=("dropped", "sum"))
shown(by_role.sort_values("bytes_dropped", ascending=False), "repeated")

# %% [markdown]
# ## Who shares with whom
#
# Identical layers that two models both have, in percent of the smaller model.

# %%
draw("shared_layers", study)

# %%
pairs = study.shared_bytes[(study.shared_bytes["granularity"] == "layer") & (study.shared_bytes["method"] == "untyped")]
shown(pairs[["model_a", "model_b", "n_units", "bytes"]].sort_values("bytes", ascending=False).head(15), "pairs")

# %% [markdown]
# ## Single parameters
#
# A dictionary of all distinct values, and one packed index a parameter. Payload alone, 16-bit types look hundreds of
# times smaller; with the indices they are about as large as before.

# %%
draw("distinct_parameters", study)
