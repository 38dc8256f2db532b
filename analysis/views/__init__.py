"""What tables say: functions from a study's results to frames with the ratios, which figures, claims and notebooks share."""
