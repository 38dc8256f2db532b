"""What tables say: functions from results to frames with ratios, which figures, claims and notebooks share."""
