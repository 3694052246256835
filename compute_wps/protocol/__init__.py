"""WPS 1.0.0 as values: requests in, documents out; no Django."""
