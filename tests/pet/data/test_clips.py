"""Numbers of frames against values computed by hand."""

import numpy as np
import pytest

from pet.data import clips


class Fixed:
    """Gives numbers from 0 on in place of random ones."""

    def integers(self, high: int, size: int) -> np.ndarray:
        return np.arange(size) % high


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_random_segments_lie_in_their_segments() -> None:
    assert clips.random_segments(26, 8, Fixed()).tolist() == [0, 4, 8, 9, 13, 17, 18, 22]  # type: ignore[arg-type]
    drawn = np.stack([clips.random_segments(26, 8, rng(seed)) for seed in range(200)])
    assert (drawn // 3 == np.arange(8)).all()
    assert all(len(set(drawn[:, segment])) == 3 for segment in range(8))


@pytest.mark.parametrize(("count", "expected"), [(8, [0, 1, 2, 3, 4, 5, 6, 7]), (4, [0, 0, 1, 2, 2, 2, 3, 4]), (1, [0] * 8)])
def test_short_videos_give_frames_more_than_once(count: int, expected: list[int]) -> None:
    # arange(8) * 4 / 8 = 0, .5, 1, 1.5, ... rounded to even, and no frame 4
    expected = [min(frame, count - 1) for frame in expected]
    assert clips.random_segments(count, 8, rng()).tolist() == expected


def test_central_segments() -> None:
    # 300 / 8 = 37.5: 18.75, 56.25, 93.75, ...
    middle = [18, 56, 93, 131, 168, 206, 243, 281]
    assert clips.central_segments(300, 8).tolist() == [middle]
    assert clips.central_segments(300, 8, clips=2).tolist() == [middle, [0, 37, 75, 112, 150, 187, 225, 262]]
    assert clips.central_segments(3, 8).tolist() == [[0, 0, 0, 1, 1, 2, 2, 2]]


@pytest.mark.parametrize(("count", "segments"), [(24, 8), (36, 4), (8, 8)])
def test_a_reversed_video_gives_the_same_frames(count: int, segments: int) -> None:
    frames = clips.central_segments(count, segments)[0]
    assert frames.tolist() == (count - 1 - frames)[::-1].tolist()


def test_random_starts_leave_room() -> None:
    starts = {int(clips.random_start(70, 32, 2, rng(seed))[0]) for seed in range(300)}
    assert starts == set(range(7))
    assert clips.random_start(50, 32, 2, rng()).tolist() == [0]


def test_even_starts() -> None:
    # 300 - (31 * 2 + 1) = 237
    assert clips.even_starts(300, 32, 2, 10).tolist() == [0, 26, 53, 79, 105, 132, 158, 184, 211, 237]
    assert clips.even_starts(300, 32, 2, 1).tolist() == [118]
    # tenths of the 236 frames that are left over
    assert clips.even_starts(300, 32, 2, 10, spacing="slowfast").tolist() == [0, 23, 47, 70, 94, 118, 141, 165, 188, 212]
    assert clips.even_starts(20, 32, 2, 3).tolist() == [0, 0, 0]


def test_dense_frames_and_what_lies_beyond() -> None:
    frames = clips.dense_frames(np.array([0, 5]), 4, 2)
    assert frames.tolist() == [[0, 2, 4, 6], [5, 7, 9, 11]]
    assert clips.within(frames, 8, "loop").tolist() == [[0, 2, 4, 6], [5, 7, 1, 3]]
    assert clips.within(frames, 8, "repeat").tolist() == [[0, 2, 4, 6], [5, 7, 7, 7]]
    # a step of 2 at 15 a second is one of 4 at 30, and of 3.33 at 25
    assert clips.dense_frames(np.array([0]), 4, 2 * 25 / 15).tolist() == [[0, 3, 6, 10]]
