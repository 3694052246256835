"""Measurements of speed against the tools people use otherwise; they print what they find."""
