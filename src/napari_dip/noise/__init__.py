"""Noise: its models, and every estimate of its strength."""
