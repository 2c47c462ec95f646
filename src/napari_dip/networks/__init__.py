"""Untrained networks: their settings, which load no torch, their layers, and their output."""
