"""The docks, and the menus that open them."""
