"""Numbers that figures, claims and notebooks share: functions from a study's tables to frames, ratios included."""
