"""What figures, claims and notebooks make of the tables: functions of `Results`, where ratios are computed."""
