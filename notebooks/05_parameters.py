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
# # What parameters are like
#
# Why models compress as they do is written in their parameters: how large they are, which exponents occur, how often a
# value comes again and how far back it was. Tensors that share their bytes with another one of the same file count once.
# Nothing here is an estimate: every parameter was looked at.

# %%
STUDY = "default"

# %%
import pandas as pd

import analysis
from analysis.figures import draw
from analysis.shown import shown
from analysis.views import parameters as views

pd.set_option("display.max_colwidth", None, "display.max_rows", 200, "display.precision", 4)
study = analysis.load(STUDY)
print(study.coverage)

# %% [markdown]
# ## Within (-1, 1)
#
# Elf codes parameters in (-1, 1); the dissertation behind the study reports 98.91 % of them there, over 900 models of
# which we do not have the list of revisions. Ours, for every role of tensors and every model:

# %%
shares = {"in_unit_interval": "{:.2%}", "zero": "{:.3%}"}
shown(pd.concat([views.unit_interval(study, "study"), views.unit_interval(study, "role")]), "unit_interval", shares)

# %%
draw("in_unit_interval", study)

# %% [markdown]
# ## How large
#
# Exponents by role. Weights crowd within a few octaves below 1; what an optimizer keeps spreads over many more, which is
# why a bound on the absolute error suits the one and destroys the other.

# %%
draw("exponent_histogram", study)

# %%
shown(views.magnitudes(study), "magnitudes", dict.fromkeys(["minimum", "maximum", "mean", "rms"], "{:.4g}"))

# %% [markdown]
# ## How much an exponent says
#
# The entropy of the exponent field is what an entropy coder pays for it when it knows no more than how often each value
# occurs: the gain of every codec that splits floats by field is mostly the difference to the field's width.

# %%
draw("exponent_entropy", study)

# %%
entropies = pd.concat([views.entropies(study, ["dtype"]).assign(role="all"), views.entropies(study, ["role", "dtype"])])
entropies = entropies[["role", "dtype", "n_params", "n_exponents", "field_bits", "entropy_bits", "common"]]
shown(entropies, "entropies", {"entropy_bits": "{:.3f}", "common": "{:.2%}"})

# %% [markdown]
# *common* is the share of the parameters with one of the 16 commonest exponents.
#
# ## Saved wider than trained
#
# An f32 whose low bits are all zero fits f16 or bf16 exactly. By chance one in 2^13 does (f16), one in 2^16 (bf16);
# where it is most of a model, the model was trained or rounded in 16 bits and half its bytes say nothing.

# %%
draw("saved_wider", study)

# %%
wider = views.saved_wider(study).sort_values(["f16_exact", "name"], ascending=[False, True])
shown(wider, "saved_wider", dict.fromkeys(["f16_exact", "bf16_exact"], "{:.3%}"))

# %% [markdown]
# ## Repeats
#
# Distinct values: what a table of all values of a dtype holds, beside the number of parameters.

# %%
distinct = study.parameters[study.parameters["scope"] == "study"]
shown(distinct[["dtype", "n_params", "n_distinct", "n_zero"]], "distinct")

# %% [markdown]
# Distance encoding writes, in place of a value that occurred before, how far back that was. It can pay only where
# distances are short: 1 bit says whether a value is new, and a repeat then costs 5 bits for the length of the distance
# and the distance itself.

# %%
draw("repeat_distances", study)

# %% [markdown]
# The distances alone decide what distance encoding takes, bit for bit (*bytes_out*, headers left out): below 1 the ratio
# says that it is longer than the parameters as they are.

# %%
formats = {"repeats": "{:.2%}", "ratio": "{:.3f}"}
shown(views.distance_encoding(study, ["dtype"]), "distance_encoding", formats)

# %%
by_model = views.distance_encoding(study, ["model", "dtype"]).sort_values(["ratio", "model"], ascending=[False, True])
shown(by_model.head(15), "distance_encoding_models", formats)
