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
# # Deduplication and compression together
#
# A hub that deduplicates wants models as they are; whoever uploads wants them small. In which order do both work, and
# which compression leaves a deduplicating store nothing to find?
#
# Accounting: *bytes in* are the files as stored. A deduplicating store pays 20 bytes a reference and 64 a unique entry,
# each coded unit 5 more (how it is coded, its length). Everything coded was decoded again and compared. Layers are
# tensors of 1 KiB and more; what is in none of them is one more unit of each file. Models that were made here from
# others count in no total.

# %%
STUDY = "default"

# %%
import pandas as pd

import analysis
from analysis.figures import draw
from analysis.shown import shown
from analysis.views import composition as views

pd.set_option("display.max_colwidth", None, "display.max_rows", 200, "display.precision", 4)
study = analysis.load(STUDY)
print(study.coverage)

# %% [markdown]
# ## The whole way
#
# From the bytes as stored to the best lossless total that this study knows how to reach. The order of the steps is
# fixed; each works on what the ones before it left, and together they make up the whole. In brackets: what the total
# grows by when this step alone is left out and all others take what they can. A layer is kept in the way that costs
# least, its references and index entries counted: as a cast or transposition of one that is there already, as chunks, as
# a delta to a relative, or coded on its own. Steps whose measures the study does not take save nothing.

# %%
draw("waterfall", study)

# %%
steps = views.waterfall(study)[["step", "n_units", "bytes", "share", "left", "bytes_left_out", "lost_without"]]
shown(steps, "waterfall", {"share": "{:+.3%}"})

# %%
draw("waterfall_by_family", study)

# %% [markdown]
# ## Every order
#
# Columns are codecs: *stored* codes nothing; *lz4-bg4* is what Hugging Face Xet does with each chunk (raw, LZ4 or LZ4
# over bytes grouped by four, the smallest); *split* keeps exponents apart from mantissas; *elves* takes the smallest of
# our lossless codecs for each layer or chunk, and makes a whole file an Elves file. Rows are orders. Coding unique units
# one by one is the same in either order: equal units are coded to equal bytes.

# %%
draw("composition_matrix", study)

# %%
best = views.compositions(study).sort_values("ratio", ascending=False)
best = best[["order", "coded", "granularity", "method", "codec", "n_units", "n_unique", "bytes_payload", "bytes_recipe", "bytes_index", "ratio_payload", "ratio"]]
shown(best.head(12), "best", dict.fromkeys(["ratio_payload", "ratio"], "{:.4f}"))

# %% [markdown]
# ## What compression leaves to deduplicate
#
# Content-defined chunks are cut from coded bytes just as from any others. A codec that sees a whole file at once codes
# in blocks of its own, which begin at other places of an equal layer in another file, and what it knows from before is
# another thing there: equal layers become other bytes. Where each layer is coded on its own, equal layers stay equal. *share_left* is the saving of deduplication after coding
# over that before, of the same bytes in the same order.

# %%
draw("dedup_left", study)

# %%
left = views.survival(study)
shown(left, "dedup_left", dict.fromkeys(["before", "after", "share_left"], "{:.2%}"))

# %% [markdown]
# ## Versions and relatives
#
# What one store for all models of a family takes, beside a store for each; families of one model are left out. Last the
# same for all models of the study.

# %%
draw("versions_together", study)

# %%
shown(views.versions(study), "versions", {"saving": "{:.2%}"})
