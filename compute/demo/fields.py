"""Made-up climate fields that look like the real thing: land, mountains, seasons and weather."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]

SEED = 1947
DAYS_PER_YEAR = 365
WARMING_K_PER_YEAR = 0.08
EL_NINO_DAYS = 1300
LAPSE_K_PER_M = 0.0065


class Planet:
    """A planet with continents on a regular grid; `lat` and `lon` are in degrees."""

    def __init__(self, lat: Field, lon: Field) -> None:
        self.lat, self.lon = np.meshgrid(np.deg2rad(lat), np.deg2rad(lon), indexing="ij")
        relief = self._relief(np.random.default_rng(SEED))
        self.height = np.clip(relief, 0, None) ** 1.5 * 900
        self.land = 1 / (1 + np.exp(-relief * 12))

    def _relief(self, random: np.random.Generator) -> Field:
        waves = np.zeros_like(self.lat)
        for degree in range(1, 15):
            for order in range(degree + 1):
                phase, tilt = random.uniform(0, 2 * np.pi, 2)
                shape = np.cos(order * self.lon + phase) * np.cos(self.lat) ** order
                waves += random.normal() / degree**0.7 * shape * np.cos(degree * self.lat + tilt)
        return np.asarray((waves - np.quantile(waves, 0.68)) / waves.std())

    def temperature(self, days: Field) -> NDArray[np.float32]:
        """Return near-surface air temperature in K on (days, lat, lon); days count from 1850."""
        season = np.cos(2 * np.pi * (days / DAYS_PER_YEAR - 200 / DAYS_PER_YEAR))
        mean = 300.5 - 46 * np.sin(self.lat) ** 2 - LAPSE_K_PER_M * self.height
        swing = np.sin(self.lat) * (5 + 16 * self.land * np.abs(np.sin(self.lat)))
        trend = WARMING_K_PER_YEAR * (days / DAYS_PER_YEAR - 140)
        trend += 0.4 * np.sin(2 * np.pi * days / EL_NINO_DAYS)
        always, everywhere = np.ones_like(days), np.ones_like(self.lat)
        steady = _outer((always, mean), (season, swing), (trend, everywhere))
        return (steady + self._weather(days)).astype("float32")

    def precipitation(self, days: Field) -> NDArray[np.float32]:
        """Return precipitation in kg m-2 s-1, never negative, on (days, lat, lon)."""
        season = np.cos(2 * np.pi * (days / DAYS_PER_YEAR - 200 / DAYS_PER_YEAR))
        belt = np.deg2rad(8) * season[:, None, None]
        rain = 8 * np.exp(-(((self.lat - belt) / 0.14) ** 2)) + 2.5 * np.cos(2 * self.lat) ** 2
        varied = rain * np.clip(1 + 0.08 * self._weather(days), 0, None)
        return (varied / 86400).astype("float32")

    def profile(self, days: Field, pressures: Field) -> NDArray[np.float32]:
        """Return air temperature in K on (days, pressures in Pa, lat, lon), NaN underground."""
        altitude = -7600 * np.log(pressures / 101325)
        surface = self.temperature(days)[:, None] + LAPSE_K_PER_M * self.height
        air = np.maximum(surface - LAPSE_K_PER_M * altitude[:, None, None], 205)
        buried = altitude[:, None, None] < self.height
        return np.where(buried, np.nan, air).astype("float32")

    def _weather(self, days: Field) -> Field:
        random = np.random.default_rng(SEED + 1)
        belts = np.sin(2 * self.lat) ** 2
        waves = []
        for number in range(1, 13):
            period, phase, tilt = random.uniform(4, 25), *random.uniform(0, 2 * np.pi, 2)
            angle = 2 * np.pi * days / period
            place = number // 2 * self.lon + phase + 3 * np.sin(self.lat + tilt)
            size = 2.2 / np.sqrt(number)
            waves.append((np.cos(angle), size * belts * np.cos(place)))
            waves.append((np.sin(angle), size * belts * np.sin(place)))
        return _outer(*waves)


def _outer(*pairs: tuple[Field, Field]) -> Field:
    """Return the sum of times x places over the pairs."""
    times = np.stack([time for time, _ in pairs], axis=1)
    places = np.stack([place for _, place in pairs])
    return np.tensordot(times, places, axes=1)
