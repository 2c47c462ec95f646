"""Classic filters with parameters at each pixel."""
