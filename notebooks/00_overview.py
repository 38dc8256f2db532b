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
# # Overview: what is published, what we measure
#
# How compressible are the models that people store, by what, and why? This notebook puts the published claims of
# *Everything You Always Wanted to Know About Storage Compressibility of Pre-Trained ML Models but Were Afraid to Ask*
# (PVLDB 17(8), 2024) beside what this tool measures on its own set of models.
#
# What is published is known here from the abstract, the author's dissertation record and the authors' public code, **not
# from the full text**. Where a setting of the paper is unknown, ours is stated and the result is ours. The set of
# models was picked by hand: what it saves is not an estimate for a model hub.
#
# Any study can be shown: change the next line and run again.

# %%
STUDY = "default"

# %%
import pandas as pd

import analysis
from analysis.claims import claims
from analysis.figures import draw
from analysis.shown import shown

pd.set_option("display.max_colwidth", None, "display.max_rows", 200, "display.precision", 4)
study = analysis.load(STUDY)
print(study.coverage)

# %% [markdown]
# ## Claims side by side
#
# *paper*: the published value with its source. *ours*: measured here. *where*: the notebook that shows how.

# %%
shown(claims(study), "claims")

# %% [markdown]
# ## What deduplication finds, at a glance
#
# Each store keeps every distinct unit once. Grey: only the bytes that are kept. Blue: with the recipes (20 bytes a
# reference) that put the files together again, and the index (64 bytes a unique unit) that finds them. The smaller the
# unit, the more the difference matters: single parameters look wonderful until they must be put back in order.

# %%
draw("saving_by_granularity", study)

# %% [markdown]
# ## One number is not enough
#
# What each store saves of the whole study, byte-weighted; then what the median model and the best model save that have a
# store of their own. *Kept bytes only* leaves out recipes and index, every other column counts them.

# %%
savings = study.savings()
shown(savings, "savings", dict.fromkeys(savings.columns[2:], "{:.2%}"))

# %% [markdown]
# The best models alone, by the ratio of a store of their layers (metadata counted):

# %%
alone = study.dedup("model")
alone = alone[(alone["granularity"] == "layer") & (alone["method"] == "typed")].sort_values("ratio", ascending=False)
shown(alone[["name", "bytes_in", "ratio_payload", "ratio"]].head(5), "best", {"ratio_payload": "{:.2f}x", "ratio": "{:.2f}x"})

# %% [markdown]
# ## How much one family matters
#
# The least and the most that is saved when one family is left out, and without which family. First kept bytes only, then
# with recipes and index.

# %%
ranges = dict.fromkeys(["all families", "least", "most"], "{:.2%}")
shown(study.family_ranges("saving_payload"), "families_kept", ranges)

# %%
shown(study.family_ranges(), "families", ranges)

# %%
draw("leave_one_family_out", study)

# %% [markdown]
# ## What could not be measured
#
# A bad file never disappears from a study: it is a row here, and every figure says how many files it covers.

# %%
shown(study.failures, "failures") if len(study.failures) else print("Everything was measured.")
