"""Weights from points in any arrangement (curvilinear grids, meshes) by distance on the sphere.

A target lies outside when it is further from its nearest point than that point, or half of all
points, are from their eighth neighbour.
"""

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from compute_tasks.errors import InvalidInput, TooLarge
from compute_tasks.regrid.grids import Grid, Points
from compute_tasks.regrid.sparse import Sparse, sparse

NEIGHBOURS = 8
MARGIN = -30.0
"""Degrees of latitude, beyond the equator, to which one hemisphere's triangles reach."""
ROUNDING = 1e-12
MAX_TRIANGULATED = 1_000_000
"""Points that are joined to triangles; more take minutes and gigabytes."""


def nearest(source: Points, target: Grid) -> Sparse:
    """Return a weight of one for the nearest point of each target that lies inside."""
    found, inside = _nearest(source, target.places())
    rows = np.flatnonzero(inside)
    return _matrix(np.ones(rows.size), rows, found[rows], target, source)


def linear(source: Points, target: Grid) -> Sparse:
    """Return the weights of the corners of the triangle of points around each target.

    Raises TooLarge above MAX_TRIANGULATED points, InvalidInput for points that form no triangles.
    """
    if source.size > MAX_TRIANGULATED:
        raise TooLarge(
            f"the input has {source.size} points; linear regridding joins at most "
            f"{MAX_TRIANGULATED}, use method nearest or a region",
            locator="operation",
        )
    places = target.places()
    _, inside = _nearest(source, places)
    parts = []
    for side in (1.0, -1.0):
        rows = np.flatnonzero(inside & ((places.lat >= 0) if side > 0 else (places.lat < 0)))
        chosen = np.flatnonzero(side * source.lat > MARGIN)
        chosen = chosen[np.isfinite(source.lon[chosen])]
        if rows.size:
            parts.append(_corners(source, places, chosen, rows, side))
    if not parts:
        return _matrix(np.empty(0), np.empty(0, int), np.empty(0, int), target, source)
    values, lines, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _matrix(values, lines, columns, target, source)


def _matrix(
    values: np.ndarray, rows: np.ndarray, columns: np.ndarray, target: Grid, source: Points
) -> Sparse:
    return sparse(values, rows, columns, (target.size, source.size))


def _nearest(source: Points, places: Points) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest point of each place, and whether the place lies inside."""
    known = np.flatnonzero(np.isfinite(source.lat + source.lon))
    vectors = source.vectors()[known]
    tree = cKDTree(vectors)
    away, found = tree.query(places.vectors())
    reach = tree.query(vectors, k=[min(NEIGHBOURS + 1, known.size)])[0][:, 0]
    return known[found], away <= np.maximum(reach, np.median(reach))[found]


def _corners(
    source: Points, places: Points, chosen: np.ndarray, rows: np.ndarray, side: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights, targets and points for the targets of one hemisphere.

    A stereographic map keeps circles, so the triangles in the plane are those on the sphere.
    """
    try:
        mesh = Delaunay(_projected(source, chosen, side))
    except (QhullError, ValueError) as error:
        raise InvalidInput(
            "the points of the input form no triangles; use method nearest", locator="operation"
        ) from error
    simplex, areas = _located(mesh, _projected(places, rows, side))
    found = np.flatnonzero(simplex >= 0)
    weights = np.maximum(areas[found], 0.0)
    weights /= np.maximum(weights.sum(axis=1), np.finfo(float).tiny)[:, None]
    corners = chosen[mesh.simplices[simplex[found]]]
    return weights.ravel(), np.repeat(rows[found], 3), corners.ravel()


def _located(mesh: Delaunay, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangle around each point, -1 outside, and the areas that are its weights.

    Each walks from its nearest corner across the side that keeps it outside. scipy's own search
    first inverts a matrix for each triangle, which takes far longer than making the triangles.
    """
    nearest = cKDTree(mesh.points).query(points)[1]
    simplex = np.maximum(mesh.vertex_to_simplex[nearest], 0)
    areas = np.zeros((len(points), 3))
    walking = np.arange(len(points))
    for _ in range(len(mesh.simplices)):
        if not walking.size:
            break
        here = simplex[walking]
        areas[walking] = parts = _areas(mesh.points[mesh.simplices[here]], points[walking])
        lowest = parts.argmin(axis=1)
        outside = parts.min(axis=1) < -ROUNDING
        following = mesh.neighbors[here, lowest][outside]
        walking = walking[outside]
        simplex[walking] = following
        walking = walking[following >= 0]
    return simplex, areas


def _areas(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the parts (n, 3) of triangles (n, 3, 2) opposite their corners, as seen from points.

    They are parts of one; negative on the far side of an edge.
    """
    sides = corners - points[:, None]
    x, y = np.moveaxis(sides, 2, 0)
    parts = np.stack(
        [x[:, i] * y[:, j] - x[:, j] * y[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=1
    )
    total = np.abs(parts.sum(axis=1, keepdims=True))
    return parts / np.maximum(total, np.finfo(float).tiny)


def _projected(points: Points, chosen: np.ndarray, side: float) -> np.ndarray:
    """Return places in the plane that touches the pole of one side."""
    x, y, z = Points(points.lat[chosen], points.lon[chosen]).vectors().T
    return np.stack([x, y], axis=1) / (1.0 + side * z)[:, None]
