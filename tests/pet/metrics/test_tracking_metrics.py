"""Figures of tracks, by hand and against a literal restatement of HOTA's definition, and the rules about what counts."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pet.metrics.tracking import THRESHOLDS, TrackedFrame, TrackedSequence, measure_tracks
from pet.metrics.tracking_breaks import count_breaks, explain_switches
from pet.metrics.tracking_frames import FrameBoxes, prepare_frames

ONE = np.array([[10.0, 10, 20, 40]])


def frame(
    truth: list[tuple[int, float]], tracks: list[tuple[int, float]], *, counted: list[bool] | None = None, ignored: list[bool] | None = None
) -> FrameBoxes:
    """Return boxes 20 wide and 40 high at places of x."""
    own, found = (np.array([[x, 10, 20, 40] for _, x in part], float).reshape(-1, 4) for part in (truth, tracks))
    ids, track_ids = (np.array([identity for identity, _ in part], np.int64) for part in (truth, tracks))
    count = len(truth)
    return FrameBoxes(own, ids, np.array(counted or [True] * count, bool), np.array(ignored or [False] * count, bool), found, track_ids)


def test_tracks_that_are_the_truth_are_perfect() -> None:
    frames = [frame([(3, 0), (8, 100)], [(1, 0), (2, 100)])] * 4
    figures = measure_tracks(prepare_frames(frames).sequence)[0].figures()
    assert all(figures[name] == pytest.approx(1) for name in ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "LocA", "MOTP"))
    assert (figures["IDSW"], figures["MT"], figures["TP"]) == (0, 2, 8)


def test_a_track_that_changes_in_the_middle_by_hand() -> None:
    """One identity of ten frames, two tracks of five each, every box exact."""
    frames = [frame([(1, 0)], [(1 + (place >= 5), 0)]) for place in range(10)]
    prepared = prepare_frames(frames)
    sums, switches = measure_tracks(prepared.sequence)
    figures = sums.figures()
    # each true positive: 5 together, of 10 + 5 - 5 in either
    assert figures["AssA"] == pytest.approx(0.5) and figures["HOTA"] == pytest.approx(np.sqrt(0.5))
    assert figures["MOTA"] == pytest.approx(0.9) and figures["IDSW"] == 1 and figures["Frag"] == 0
    # the better of both tracks is the identity's: 5 hits, 5 misses, 5 false positives
    assert figures["IDF1"] == pytest.approx(0.5)
    own = list(explain_switches(frames, range(1, 11), switches, prepared.truth_ids, prepared.track_ids))
    assert [(part.frame, part.identity, part.before, part.after, part.gap) for part in own] == [(6, 1, 1, 2, 0)]


def test_misses_and_false_positives_by_hand() -> None:
    frames = [frame([(1, 0)], []), frame([], [(1, 0)]), frame([(1, 0)], [(1, 0), (2, 300)]), frame([], [])]
    figures = measure_tracks(prepare_frames(frames).sequence)[0].figures()
    assert (figures["TP"], figures["FN"], figures["FP"]) == (1, 1, 2)
    assert figures["MOTA"] == pytest.approx((1 - 2) / 2), "below zero"
    assert figures["DetA"] == pytest.approx(0.25) and figures["AssA"] == pytest.approx(1 / 3)
    assert figures["IDF1"] == pytest.approx(1 / (1 + 0.5 * 2 + 0.5 * 1))


def test_the_match_of_the_frame_before_stays_while_it_holds() -> None:
    """The other track overlaps more, and CLEAR keeps the one that it had."""
    frames = [frame([(1, 0)], [(1, 0)]), frame([(1, 0)], [(1, 5), (2, 0)])]
    figures = measure_tracks(prepare_frames(frames).sequence)[0].figures()
    assert figures["IDSW"] == 0 and figures["FP"] == 1


def test_nothing_at_all() -> None:
    figures = measure_tracks(prepare_frames([frame([(1, 0)], [])] * 3).sequence)[0].figures()
    assert (figures["HOTA"], figures["MOTA"], figures["IDF1"], figures["ML"], figures["FN"]) == (0, 0, 0, 1, 3)
    figures = measure_tracks(prepare_frames([frame([], [(1, 0)])] * 3).sequence)[0].figures()
    assert (figures["HOTA"], figures["MOTA"], figures["FP"]) == (0, -3, 3)


def test_what_is_found_in_the_place_of_an_ignored_box_does_not_count() -> None:
    both = [frame([(1, 0), (9, 100)], [(1, 0), (2, 102)], counted=[True, False], ignored=[False, where]) for where in (True, False)]
    counts = [measure_tracks(prepare_frames([own]).sequence)[0].figures()["FP"] for own in both]
    assert counts == [0, 1], "a box that is neither counted nor ignored leaves a false positive"
    # the track belongs to the person who counts, though it overlaps the poster too
    near = frame([(1, 0), (9, 2)], [(1, 0)], counted=[True, False], ignored=[False, True])
    assert measure_tracks(prepare_frames([near]).sequence)[0].figures()["TP"] == 1


def random_sequence(seed: int) -> TrackedSequence:
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(25):
        truth, tracks = (rng.choice(6, int(rng.integers(0, 6)), replace=False) for _ in range(2))
        overlap = np.where(truth[:, None] == tracks[None], rng.uniform(0.3, 1), 0) * rng.uniform(0.5, 1, (len(truth), len(tracks)))
        frames.append(TrackedFrame(truth, tracks, np.maximum(overlap, rng.uniform(0, 0.6, overlap.shape))))
    return TrackedSequence(frames, 6, 6)


@pytest.mark.parametrize("seed", range(4))
def test_hota_is_its_definition(seed: int) -> None:
    """For each true positive: of the frames in which its identity or its track is, the share in which both are matched."""
    sequence = random_sequence(seed)
    shares = np.zeros((6, 6))
    for truth, tracks, overlap in sequence.frames:
        for row, own in enumerate(truth):
            for column, found in enumerate(tracks):
                shares[own, found] += overlap[row, column] / (overlap[row].sum() + overlap[:, column].sum() - overlap[row, column])
    frames_of = [np.array([sum(own in part[place] for part in sequence.frames) for own in range(6)]) for place in (0, 1)]
    alignment = shares / (frames_of[0][:, None] + frames_of[1][None] - shares)
    values = []
    for threshold in THRESHOLDS:
        pairs, missed, wrong = list[tuple[int, int]](), 0, 0
        for truth, tracks, overlap in sequence.frames:
            rows, columns = linear_sum_assignment(-(alignment[np.ix_(truth, tracks)] * overlap))
            hit = overlap[rows, columns] >= threshold
            matched = list(zip(truth[rows[hit]].tolist(), tracks[columns[hit]].tolist(), strict=True))
            pairs += matched
            missed, wrong = missed + len(truth) - len(matched), wrong + len(tracks) - len(matched)
        shared = [pairs.count(pair) / (frames_of[0][pair[0]] + frames_of[1][pair[1]] - pairs.count(pair)) for pair in pairs]
        association = np.mean(shared) if pairs else 0.0
        values.append(np.sqrt(len(pairs) / (len(pairs) + missed + wrong) * association))
    assert measure_tracks(sequence)[0].figures()["HOTA"] == pytest.approx(np.mean(values), abs=1e-12)


def test_sums_of_sequences_are_those_of_one_long_sequence_with_other_people() -> None:
    parts = [random_sequence(seed) for seed in (5, 6)]
    shifted = [TrackedFrame(truth + 6, tracks + 6, overlap) for truth, tracks, overlap in parts[1].frames]
    whole = measure_tracks(TrackedSequence([*parts[0].frames, *shifted], 12, 12))[0].figures()
    first, second = (measure_tracks(part)[0] for part in parts)
    assert (first + second).figures() == pytest.approx(whole, abs=1e-12)


def spread(frames: list[FrameBoxes]) -> list[FrameBoxes]:
    """Return frames with two further people, far above and far below of the others."""
    others = np.array([[150.0, -200, 20, 40], [150, 300, 20, 40]])
    return [
        own._replace(
            truth=np.concatenate([own.truth, others]),
            truth_ids=np.concatenate([own.truth_ids, [50, 51]]),
            counted=np.concatenate([own.counted, [True, True]]),
            ignored=np.concatenate([own.ignored, [False, False]]),
        )
        for own in frames
    ]


def test_breaks_have_causes() -> None:
    crossing = [frame([(1, 100), (2, 110), (3, 0), (4, 300)], [(place + 1, 100)]) for place in range(2)]
    hidden = [frame([(1, 100), (3, 0), (4, 300)], own) for own in ([(1, 100)], [], [], [(2, 100)])]
    edge = [frame([(1, 0), (4, 300)], [(place + 1, 0)]) for place in range(2)]
    plain = [frame([(1, 100), (3, 0), (4, 300)], [(place + 1, 100)]) for place in range(2)]
    found = []
    for frames in map(spread, (crossing, hidden, edge, plain)):
        prepared = prepare_frames(frames)
        switches = measure_tracks(prepared.sequence)[1]
        found += list(explain_switches(frames, range(1, 9), switches, prepared.truth_ids, prepared.track_ids))
    assert [part.cause for part in found] == ["crossing", "occlusion", "border", "none of these"]
    assert count_breaks(found)["gaps"] == {
        "next frame": 3,
        "1 to 5 frames": 1,
        "6 to 15 frames": 0,
        "16 to 30 frames": 0,
        "more than 30 frames": 0,
    }
