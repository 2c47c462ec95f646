"""Pixels, and where they lie."""
