"""Widgets in which the user chooses layers and settings."""
