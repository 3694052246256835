"""Cutting a domain out of a dataset: ranges on axes, wrapping longitudes, masks."""
