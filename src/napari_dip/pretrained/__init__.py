"""Networks that were trained on other images: those of the package, and those of the user."""
