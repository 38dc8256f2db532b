"""Ratios and shares, computed from the tables where they are shown: what figures, claims and notebooks share."""
