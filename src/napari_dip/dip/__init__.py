"""Deep Image Prior."""
