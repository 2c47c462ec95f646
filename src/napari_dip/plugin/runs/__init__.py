"""Runs in the viewer: what they read, their thread, and their queue."""
