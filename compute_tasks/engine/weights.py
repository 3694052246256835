"""How much has been added to each cell of a running result."""

import numpy as np

from compute_tasks.engine.places import UnitPlaces

Region = tuple[slice, ...]
Shape = tuple[int, ...]


class Weights:
    """The total weight of each cell: one number for a row of cells, and more for each of them.

    `whole` is what rows without gaps add to all their cells, `apart` what the others add to each.
    Most data have no gaps: then no memory of `apart` is touched, which the system never provides.
    """

    def __init__(self, shape: Shape) -> None:
        self.whole = np.zeros((*shape[:-1], 1) if shape else ())
        self.apart, self._gaps = np.zeros(shape), np.zeros(1, bool)

    @property
    def rows(self) -> np.ndarray:
        """What rows without gaps add, one number for each row."""
        return self.whole.reshape(-1)

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arrays that merging changes, in place."""
        return [self.whole, self.apart, self._gaps]

    def close(self, places: UnitPlaces) -> None:
        """Give the cells of a unit their shape after the last block."""
        if places.has_columns:
            self.whole = self.whole.reshape((*places.open, 1))
            self.apart = places.shaped(self.apart)
        else:
            self.apart = places.shaped(self.apart + self.whole)
            self.whole = np.zeros(())
        self._gaps[:] = self.apart.any()
        if not self._gaps[0]:
            # Units that wait to be merged need not hold what nobody will add.
            self.apart = np.broadcast_to(0.0, self.apart.shape)

    def join(self, places: UnitPlaces) -> None:
        """Join columns of the same group."""
        if places.column_labels is not None:
            self.apart = places.joined(self.apart, np.add, 0.0)

    def merge(self, region: Region, part: "Weights") -> None:
        """Add the weights of a unit to a region of these."""
        if part.whole.ndim and part.apart.shape[-1] == self.apart.shape[-1]:
            self.whole[(*region[:-1], slice(None))] += part.whole
            if not part._gaps[0]:
                return
            self.apart[region] += part.apart
        else:
            self.apart[region] += part.sum()
        self._gaps[:] = True

    def sum(self, region: Region | None = None) -> np.ndarray:
        """Return the weights in a region (None: everywhere), of a shape that spreads to its shape.

        All of them are put together in place, for no copy.
        """
        if region is None:
            if not self._gaps[0]:
                return self.whole
            self.apart += self.whole
            self.whole[...] = 0
            return self.apart
        whole = self.whole[(*region[:-1], slice(None))] if region else self.whole
        return whole + self.apart[region] if self._gaps[0] else whole
