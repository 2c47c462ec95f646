"""Noise: its models, and how it is measured."""
