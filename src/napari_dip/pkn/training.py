"""Training of a filter's network."""
