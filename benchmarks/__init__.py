"""Measurements of the rendered service."""
