"""What figures, claims and notebooks share: ratios and rankings, computed where they are shown."""
