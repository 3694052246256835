"""The demonstration: a small archive, a request with OWSLib, a plot and a check of the numbers."""
