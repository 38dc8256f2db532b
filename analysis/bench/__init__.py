"""How fast the study's own code is on this machine: `python -m analysis.bench`. Never part of a test."""
