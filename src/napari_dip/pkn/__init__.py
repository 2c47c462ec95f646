"""Procedural kernel networks: classic filters, and a tiny network that predicts their parameters."""
