"""What figures, claims and notebooks share: ratios and rankings, computed from a study's tables where they are shown."""
