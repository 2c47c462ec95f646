"""Images for training and demonstration: synthetic ones, and a damaged micrograph."""
