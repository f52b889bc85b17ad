"""A Kalman filter for the boxes of many tracks at once."""

import numpy as np

UNIT = 1 / 30
"""Seconds in which the noise below arises: it was tuned on videos of 30 frames a second."""
POSITION_NOISE, VELOCITY_NOISE = 1 / 20, 1 / 160
"""Shares of the height of a box."""
RATIO_NOISE, RATIO_VELOCITY_NOISE, MEASURED_RATIO_NOISE = 1e-2, 1e-5, 1e-1
"""Of width / height, which has no unit. All are those of SORT with a deep association metric (https://arxiv.org/abs/1703.07402)."""
GATE = 9.4877
"""Squared distances above this have a probability of 5 % (chi-square, four degrees of freedom)."""


class BoxFilter:
    """Centre, width / height and height of T boxes, and their velocities, which stay as they are but for noise.

    Noise and measurements of the four numbers do not depend on each other, so neither do their estimates: a variance, a covariance and the
    variance of the velocity for each, instead of matrices of 8 x 8.

    Attributes:
        position: float64 (T, 4): x and y of the centre, pixels, width / height, height.
        velocity: float64 (T, 4), for each thirtieth of a second.
        variances: float64 (3, T, 4): of position, of position with velocity, of velocity.
    """

    def __init__(self, boxes: np.ndarray) -> None:
        """Begin with boxes, float (T, 4) XYXY, without motion as far as is known."""
        self.position = to_measurement(boxes)
        self.velocity = np.zeros_like(self.position)
        position, velocity = _noise(self.position[:, 3])
        ratio = np.array([False, False, True, False])
        # as uncertain as after some frames; the ratio is known as well as ever
        begin_position = np.where(ratio, position, 2 * position)
        begin_velocity = np.where(ratio, velocity, 10 * velocity)
        self.variances = np.stack([begin_position**2, np.zeros_like(position), begin_velocity**2])

    def predict(self, seconds: float, still: np.ndarray) -> None:
        """Move the boxes to a later time.

        Args:
            seconds: how much later.
            still: bool (T,): boxes whose height stays as it is, as it was not seen for some time.
        """
        steps = seconds / UNIT
        self.velocity[still, 3] = 0.0
        own, with_velocity, of_velocity = self.variances
        position, velocity = _noise(self.position[:, 3])
        self.variances = np.stack(
            [
                own + 2 * steps * with_velocity + steps**2 * of_velocity + steps * position**2,
                with_velocity + steps * of_velocity,
                of_velocity + steps * velocity**2,
            ]
        )
        self.position = self.position + steps * self.velocity

    def correct(self, chosen: np.ndarray, boxes: np.ndarray) -> None:
        """Take boxes, (K, 4) XYXY, that were found for the tracks at ``chosen`` (K,)."""
        own, with_velocity, of_velocity = self.variances[:, chosen]
        spread = own + self._measurement_noise(chosen)
        gain, velocity_gain = own / spread, with_velocity / spread
        off = to_measurement(boxes) - self.position[chosen]
        self.position[chosen] += gain * off
        self.velocity[chosen] += velocity_gain * off
        self.variances[:, chosen] = np.stack([(1 - gain) * own, (1 - gain) * with_velocity, of_velocity - velocity_gain * with_velocity])

    def distances(self, chosen: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Return squared Mahalanobis distances of boxes (N, 4) XYXY from the tracks at ``chosen`` (K,), float64 (K, N)."""
        spread = self.variances[0, chosen] + self._measurement_noise(chosen)
        off = to_measurement(boxes)[None] - self.position[chosen][:, None]
        distances: np.ndarray = (off**2 / spread[:, None]).sum(axis=2)
        return distances

    def boxes(self) -> np.ndarray:
        """Return the boxes, float64 (T, 4) XYXY."""
        centres, height = self.position[:, :2], np.maximum(self.position[:, 3], 1e-3)
        half = np.stack([np.maximum(self.position[:, 2], 1e-3) * height, height], axis=1) / 2
        return np.concatenate([centres - half, centres + half], axis=1)

    def join(self, other: "BoxFilter") -> None:
        """Append the tracks of another filter."""
        self.position = np.concatenate([self.position, other.position])
        self.velocity = np.concatenate([self.velocity, other.velocity])
        self.variances = np.concatenate([self.variances, other.variances], axis=1)

    def keep(self, kept: np.ndarray) -> None:
        """Leave the tracks for which ``kept``, bool (T,), is true."""
        self.position, self.velocity, self.variances = self.position[kept], self.velocity[kept], self.variances[:, kept]

    def _measurement_noise(self, chosen: np.ndarray) -> np.ndarray:
        position, _ = _noise(self.position[chosen, 3])
        position[:, 2] = MEASURED_RATIO_NOISE
        squared: np.ndarray = position**2
        return squared


def to_measurement(boxes: np.ndarray) -> np.ndarray:
    """Return x and y of the centre, width / height and height of boxes XYXY, float64 (N, 4)."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    extent = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    return np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, extent[:, 0] / extent[:, 1], extent[:, 1]])


def _noise(heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the deviations of positions and of velocities, (T, 4) each."""
    heights = np.maximum(heights, 1e-3)
    position = np.repeat(POSITION_NOISE * heights[:, None], 4, axis=1)
    velocity = np.repeat(VELOCITY_NOISE * heights[:, None], 4, axis=1)
    position[:, 2], velocity[:, 2] = RATIO_NOISE, RATIO_VELOCITY_NOISE
    return position, velocity
