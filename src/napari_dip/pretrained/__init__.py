"""Networks that were trained before: elsewhere, or for the package."""
