"""A run in the viewer, from its inputs to its end."""
