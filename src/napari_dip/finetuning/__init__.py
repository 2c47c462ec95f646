"""Pretrained networks, fitted at test time to the image that was measured."""
