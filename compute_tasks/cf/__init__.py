"""What the CF conventions say about a dataset: axes, times, units, grids and cell methods."""
