"""The layers of a result, and the panels that work on it."""
