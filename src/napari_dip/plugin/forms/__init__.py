"""Forms made of settings."""
