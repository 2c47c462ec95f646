"""Training images made from a seed."""
