"""Files beside files: which are related, which layers match, and what coding one against the other saves."""
