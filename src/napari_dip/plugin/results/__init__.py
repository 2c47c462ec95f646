"""What a run has given, and what can be done with it."""
