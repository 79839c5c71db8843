"""Things that are followed through a film."""

import numpy as np
import pytest

from expalign.apis.films.tracking import Tracker
from expalign.structures.detections import UNTRACKED, Detections

pytest.importorskip('trackers', reason='needs the extra "track"')
PROMPTS = ['dog', 'cat']


def frame(boxes, scores, labels):
    return Detections(np.array(boxes, float), np.array(scores), np.array(labels), PROMPTS,
                      (200, 400), threshold=0.5)


def moving(step):
    """Two dogs that walk towards each other below one another, and a cat on the first dog."""
    way = 5 * step
    return frame([[10 + way, 10, 60 + way, 60], [200 - way, 100, 250 - way, 150],
                  [12 + way, 12, 58 + way, 58]], [0.9, 0.8, 0.7], [0, 0, 1])


def test_numbers_stay_with_things():
    tracker = Tracker(10)
    seen = [tracker(moving(step), step / 10).tracks.tolist() for step in range(12)]
    assert seen[0] == 3 * [UNTRACKED]
    assert seen[1:] == 11 * [[1, 2, 3]]


def test_a_low_score_keeps_the_number():
    """It does not show, and the thing has its number when it does again; others begin none."""
    tracker = Tracker(10)
    for step in range(10):
        score = 0.3 if 3 <= step < 6 else 0.9
        found = tracker(frame([[10 + 5 * step, 10, 60 + 5 * step, 60], [300, 100, 350, 150]],
                              [score, 0.4], [0, 0]), step / 10)
        assert len(found) == (score > 0.5)
        if score > 0.5 and step:
            assert found.tracks.tolist() == [1]
    assert found.above(0.1).tracks.tolist() == [1, UNTRACKED]


def test_a_thing_that_was_away_for_long_is_another():
    tracker = Tracker(10)
    box = [[10, 10, 60, 60]]
    for step in range(3):
        tracker(frame(box, [0.9], [0]), step / 10)
    for step in range(3, 20):
        assert len(tracker(frame(np.empty((0, 4)), [], []), step / 10)) == 0
    numbers = [tracker(frame(box, [0.9], [0]), step / 10).tracks.tolist() for step in range(20, 23)]
    assert numbers == [[UNTRACKED], [2], [2]]


def test_what_is_written_of_tracks():
    tracker = Tracker(10)
    tracker(moving(0), 0.0)
    found = tracker(moving(1), 0.1)
    assert [entry['track'] for entry in found.to_dict()['detections']] == [1, 2, 3]
    assert found[:2].tracks.tolist() == [1, 2]
    assert found.to_supervision().tracker_id.tolist() == [1, 2, 3]
    assert 'track' not in moving(1).to_dict()['detections'][0]
