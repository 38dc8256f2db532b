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
from IPython.display import display

import analysis
from analysis.claims import claims
from analysis.figures import draw

pd.set_option("display.max_colwidth", None, "display.max_rows", 200, "display.precision", 4)
study = analysis.load(STUDY)
print(study.coverage)

# %% [markdown]
# ## Claims side by side
#
# *paper*: the published value with its source. *ours*: measured here. *where*: the notebook that shows how.

# %%
display(claims(study).style.hide(axis="index").set_properties(**{"text-align": "left"}))

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
# The same stores, byte-weighted over the study, as the median model sees them, and the range when one family is left out.

# %%
model = study.dedup("model")
rows = []
for (granularity, method), whole in study.dedup().groupby(["granularity", "method"]):
    alone = model[(model["granularity"] == granularity) & (model["method"] == method)]
    rows.append(
        {
            "granularity": granularity,
            "method": method,
            "whole study": whole["ratio"].iloc[0],
            "median model alone": alone["ratio"].median(),
            "best model alone": alone["ratio"].max(),
        }
    )
pd.DataFrame(rows).sort_values("whole study", ascending=False).style.hide(axis="index").format(precision=4)

# %%
draw("leave_one_family_out", study)

# %% [markdown]
# ## What could not be measured
#
# A bad file never disappears from a study: it is a row here, and every figure says how many files it covers.

# %%
study.failures if len(study.failures) else print("Everything was measured.")
