"""Deduplication and compression together: every unit of a file through one codec."""
