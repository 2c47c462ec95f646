"""Classic filters whose parameters differ from pixel to pixel."""
