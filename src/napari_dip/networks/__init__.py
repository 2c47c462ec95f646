"""The functions f that are fitted: settings (`hourglass`) without torch, layers and networks with it."""
