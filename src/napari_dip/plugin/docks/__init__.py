"""The docks, and the panels of running jobs in them."""
