"""What a restored image is worth: measured on arrays and noise models, whatever method restored it."""
