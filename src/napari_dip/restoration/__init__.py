"""What is measured, restored and reported."""
