"""Measurements of the running service against a PyWPS one beside it; they print what they find."""
