"""Lossless coding of whole files, layers, chunks and parameters: what is coded, by what, and what it comes to."""
