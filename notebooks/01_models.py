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
# # The models: what the set is, and where its bytes are
#
# Before asking what compresses: which models, how large, of which types, and what is in their files beside weights.

# %%
STUDY = "default"

# %%
import pandas as pd
from IPython.display import Markdown, display

import analysis
from analysis.figures import draw
from analysis.shown import shown

pd.set_option("display.max_colwidth", None, "display.max_rows", 200, "display.precision", 4)
study = analysis.load(STUDY)
print(study.coverage)

# %% [markdown]
# ## Models
#
# One model is one package or repository at one pinned version; a family is a lineage.

# %%
formats = study.layers.groupby("model")["format"].agg(lambda names: ", ".join(sorted(set(names))))
models = study.models.assign(formats=study.models["model"].map(formats).fillna("bytes"), MB=study.models["bytes"] / 1e6)
shown(models[["family", "model", "task", "formats", "n_files", "n_layers", "n_params", "MB"]], "models", {"MB": "{:.2f}"})

# %% [markdown]
# ## Where the bytes are: by role
#
# Optimizer state is what training keeps for itself. Some packages ship it: bytes that no one who runs the model needs.

# %%
draw("bytes_by_family", study)

# %% [markdown]
# ## Where the bytes are: by element type

# %%
draw("bytes_by_dtype", study)

# %%
own = study.layers[study.layers["model"].isin(study.originals["model"])]
by_role = own.groupby("role", as_index=False)[["n_params", "bytes_stored"]].sum()
by_role["share of all bytes"] = by_role["bytes_stored"] / max(1, study.bytes)
shown(by_role.sort_values("bytes_stored", ascending=False), "roles", {"share of all bytes": "{:.1%}"})

# %% [markdown]
# ## Few layers hold most bytes

# %%
draw("layer_sizes", study)

# %% [markdown]
# ## Values
#
# The dissertation record says that 98.91 % of the parameters of its 900 models lie in (-1, 1): the fact that Elf builds
# on. Here, by element type, role and model:

# %%
values = study.parameters[study.parameters["n_in_unit_interval"].notna()].copy()
values["in (-1, 1)"] = values["n_in_unit_interval"] / values["n_params"]
values["zero"] = values["n_zero"] / values["n_params"]
values["f16 holds exactly"] = values["n_f16_exact"] / values["n_params"]
values["bf16 holds exactly"] = values["n_bf16_exact"] / values["n_params"]
shares = ["in (-1, 1)", "zero", "f16 holds exactly", "bf16 holds exactly"]
for scope in ("study", "role", "model"):
    rows = values[values["scope"] == scope][["name", "dtype", "n_params", *shares]]
    display(Markdown(f"By {scope}:"), shown(rows, scope, dict.fromkeys(shares, "{:.2%}")))
