"""Pixels and where they lie: axes, grids, transforms, regions. Importing it loads no torch."""
