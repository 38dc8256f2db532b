"""What a model file consists of: chunks, layers and parameters, hashed and counted in one pass."""
