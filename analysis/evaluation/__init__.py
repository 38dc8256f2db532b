"""Elves beside other methods on the same tensors of one model file: sizes, and the errors actually made."""
