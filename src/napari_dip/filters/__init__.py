"""Classic filters that several methods use."""
