"""Classic filters: they need no training and no fit, and several methods use them."""
