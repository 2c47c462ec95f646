"""Procedural kernel networks: classic filters, and tiny networks that predict their parameters."""
