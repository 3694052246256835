"""From one horizontal grid to another: target grids by name, weights, their lazy application."""
