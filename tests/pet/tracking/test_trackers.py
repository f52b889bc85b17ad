"""Trackers over detections that are known: who is hidden, who crosses whom, how long a track is kept."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pet.tracking import TRACKERS, Detections, Tracker, build_tracker, parse_tracker
from pet.tracking.assignment import assign, overlaps
from pet.tracking.kalman import BoxFilter, to_measurement
from pet.tracking.tracks import TrackHistory
from petlib.errors import ConfigError

NAMES = ("sort", "bytetrack", "fairmot")


def box(x: float, y: float = 100.0) -> list[float]:
    return [x, y, x + 20, y + 50]


def found(boxes: Sequence[Sequence[float]], scores: Sequence[float] | None = None, labels: Sequence[int] | None = None) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, float).reshape(-1, 4), np.full(count, 0.9) if scores is None else np.array(scores), np.array(labels or [0] * count)
    )


def follow(tracker: Tracker, frames: Sequence[Detections], rate: float = 30.0) -> list[list[int]]:
    return [tracker.update(number / rate, detections).tolist() for number, detections in enumerate(frames)]


@pytest.mark.parametrize("name", NAMES)
def test_two_who_walk_keep_their_numbers(name: str) -> None:
    frames = [found([box(2 * number), box(300 - 2 * number, 200)]) for number in range(20)]
    ids = follow(build_tracker(name, place="x"), frames)
    assert ids == [[1, 2]] * 20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [30.0, 10.0])
def test_tracks_are_kept_for_seconds_not_frames(name: str, rate: float) -> None:
    """Hidden for 0.8 seconds is within a buffer of one second, and 1.5 seconds are not, at any frame rate."""
    for seconds, same in ((0.8, True), (1.5, False)):
        hidden = round(seconds * rate)
        frames = [found([box(100)])] * 12 + [found([])] * hidden + [found([box(100)])] * 5
        ids = follow(build_tracker(name, place="x"), frames, rate)
        assert ids[11] == [1] and ids[-1] == ([1] if same else [2])
    longer = {"name": name, "buffer": 3.0}
    assert follow(build_tracker(longer, place="x"), frames, rate)[-1] == [1]


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_followed_apart(name: str) -> None:
    frames = [found([box(100), box(101)], labels=[0, 1])] * 5 + [found([box(100)], labels=[1])] * 2
    ids = follow(build_tracker(name, place="x"), frames)
    assert ids[4] == [1, 2] and ids[-1] == [2]


@pytest.mark.parametrize("name", NAMES)
def test_frames_without_anything_are_ordinary(name: str) -> None:
    assert follow(build_tracker(name, place="x"), [found([])] * 3 + [found([box(5)])] + [found([])] * 3)[2] == []


def test_low_scores_keep_tracks_of_bytetrack_alone() -> None:
    frames = [found([box(100)])] * 3 + [found([box(100)], scores=[0.2])] * 3
    assert [follow(build_tracker(name, place="x"), frames)[-1] for name in NAMES] == [[0], [1], [0]]


def test_sort_numbers_what_was_seen_three_times() -> None:
    frames = [found([])] * 5 + [found([box(100)])] * 4 + [found([box(100), box(200)])]
    assert follow(build_tracker("sort", place="x"), frames)[5:] == [[0], [0], [1], [1], [1, 0]]


def test_looks_decide_where_overlap_would_be_wrong() -> None:
    """Two who meet, and go back where they came from: by motion they would have passed each other."""
    looks = np.eye(2, dtype=np.float32)
    ways = [*range(0, 60, 3), *range(60, 0, -3)]
    frames = [found([box(way), box(130 - way)]) for way in ways]
    by_motion = follow(build_tracker("fairmot", place="x"), frames)
    by_looks = follow(build_tracker("fairmot", place="x"), [frame._replace(embeddings=looks) for frame in frames])
    assert by_looks == [[1, 2]] * len(frames)
    # without looks it is not worse than its boxes are far apart
    assert by_motion[0] == [1, 2]


def test_one_who_looks_otherwise_is_another_one() -> None:
    looks = np.eye(3, dtype=np.float32)
    far = [found([box(100)])._replace(embeddings=looks[:1])] * 5 + [found([])] * 3 + [found([box(118)])._replace(embeddings=looks[1:2])] * 3
    assert follow(build_tracker("fairmot", place="x"), far)[-1] == [2]


def test_wide_and_small_objects_are_followed_too() -> None:
    """The rule that pedestrians are neither wide nor small is none of a tracker."""
    frames = [found([[10 + number, 10, 60 + number, 18], [200, 200, 206, 206]]) for number in range(5)]
    for name in NAMES:
        assert follow(build_tracker(name, place="x"), frames)[-1] == [1, 2]


def test_the_filter_is_that_of_full_matrices() -> None:
    """A literal restatement with matrices of 8 x 8."""
    rng = np.random.default_rng(0)
    boxes = np.array([[10, 20, 40, 100], [200, 50, 230, 140]], float)
    own = BoxFilter(boxes)
    means, covariances = [], []
    for measured in to_measurement(boxes):
        height = measured[3]
        deviations = [height / 10, height / 10, 1e-2, height / 10, height / 16, height / 16, 1e-5, height / 16]
        means.append(np.concatenate([measured, np.zeros(4)]))
        covariances.append(np.diag(np.square(deviations)))
    pick = np.eye(4, 8)
    for number in range(6):
        step = number % 3 + 1
        own.predict(step / 30, np.array([False, False]))
        moved = boxes + rng.normal(0, 2, (2, 4))
        for place in range(2):
            motion = np.eye(8) + step * np.eye(8, k=4)
            height = means[place][3]
            noise = np.square([height / 20, height / 20, 1e-2, height / 20, height / 160, height / 160, 1e-5, height / 160])
            means[place] = motion @ means[place]
            covariances[place] = motion @ covariances[place] @ motion.T + step * np.diag(noise)
            height = means[place][3]
            spread = pick @ covariances[place] @ pick.T + np.diag(np.square([height / 20, height / 20, 1e-1, height / 20]))
            off = to_measurement(moved)[place] - means[place][:4]
            distance = off @ np.linalg.inv(spread) @ off
            assert own.distances(np.array([place]), moved[place : place + 1])[0, 0] == pytest.approx(distance)
            gain = covariances[place] @ pick.T @ np.linalg.inv(spread)
            means[place] = means[place] + gain @ off
            covariances[place] = covariances[place] - gain @ spread @ gain.T
        own.correct(np.arange(2), moved)
        for place in range(2):
            assert np.allclose(np.concatenate([own.position[place], own.velocity[place]]), means[place])
            assert np.allclose(own.variances[0, place], np.diag(covariances[place])[:4])
            assert np.allclose(own.variances[1, place], np.diag(covariances[place], 4))
    assert np.allclose(to_measurement(own.boxes()), own.position)


def test_an_assignment_with_a_limit_has_the_least_costs() -> None:
    """Compared with all ways of leaving pairs out, of which the best one counts."""
    rng = np.random.default_rng(1)
    for _ in range(60):
        costs = rng.uniform(0, 1, (int(rng.integers(0, 5)), int(rng.integers(0, 5))))
        rows, columns = assign(costs, 0.4)
        own = costs[rows, columns].sum() + 0.2 * (sum(costs.shape) - 2 * len(rows))
        assert (costs[rows, columns] <= 0.4).all()
        assert own == pytest.approx(_least(costs, 0.4))


def _least(costs: np.ndarray, limit: float) -> float:
    """Return the least of all sums, by trying every set of rows."""
    least = limit / 2 * sum(costs.shape)
    for chosen in range(1, 2 ** costs.shape[0]):
        rows = [row for row in range(costs.shape[0]) if chosen >> row & 1]
        if len(rows) <= costs.shape[1]:
            first, second = linear_sum_assignment(costs[rows])
            least = min(least, costs[rows][first, second].sum() + limit / 2 * (sum(costs.shape) - 2 * len(rows)))
    return float(least)


def test_overlaps_are_intersections_over_unions() -> None:
    shares = overlaps(np.array([[0, 0, 10, 10], [0, 0, 0, 0]]), np.array([[5, 0, 15, 10], [20, 20, 30, 30]]))
    assert np.allclose(shares, [[1 / 3, 0], [0, 0]])


def test_trails_end_some_time_ago() -> None:
    history = TrackHistory(seconds=0.5)
    trails = [history.add(number / 10, [7], np.array([[number, 0.0, number + 2, 9]]))[0] for number in range(10)]
    assert trails[0].tolist() == [[1, 9]] and trails[-1][:, 0].tolist() == [5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (lambda: build_tracker("deepsort", place="--track"), "unknown tracker 'deepsort'"),
        (
            lambda: build_tracker({"name": "sort", "bufer": 1}, place="--track"),
            "tracker sort: unknown argument 'bufer'; did you mean",
        ),
        (
            lambda: build_tracker({"name": "sort", "buffer": -1}, place="--track"),
            "tracker sort: buffer: -1.0 given, a number from 0",
        ),
        (lambda: build_tracker({"name": "sort", "buffer": "x"}, place="--track"), "buffer: 'x' given, float expected"),
        (lambda: parse_tracker("[sort]", place="--track"), "--track: '.sort.' given; one of bytetrack, fairmot, sort expected"),
        (lambda: parse_tracker("{name: ", place="--track"), "is no YAML"),
    ],
)
def test_mistakes_are_named(entry: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        entry()


def test_all_trackers_are_built() -> None:
    assert set(TRACKERS.names()) == set(NAMES)
    assert parse_tracker("{name: sort, buffer: 2}", place="x") == {"name": "sort", "buffer": 2}
