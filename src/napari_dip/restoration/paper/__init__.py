"""The text for a paper: what was done to get a result, from its provenance alone."""
