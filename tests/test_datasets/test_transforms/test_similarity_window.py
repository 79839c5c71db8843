"""The window of similarity of negatives."""

import numpy as np
import pytest

from expalign.datasets.transforms.similarity_window import SAMPLE, SimilarityWindow

# Cosines with 'cat': lynx 0.96, dog 0.6, car 0, bus 0; with 'bus': car 0.8, the others 0.
NAMES = ['cat', 'Lynx', 'dog', 'car', 'bus']
VECTORS = np.array(
    [[1, 0, 0], [0.96, 0.28, 0], [0.6, 0.8, 0], [0, 0.6, 0.8], [0, 0, 1]], dtype=np.float32)


def fitted(quantiles=(0, 1), positives=('cat',), candidates=NAMES) -> SimilarityWindow:
    window = SimilarityWindow(quantiles)
    window.fit(NAMES, VECTORS, positives, candidates)
    return window


def test_bounds_are_quantiles_of_the_pairs_by_hand():
    assert fitted().bounds == pytest.approx((0, 0.96), abs=1e-3)  # without 'cat' itself
    # 0, 0, 0.6, 0.96: a quarter of the way is 0, three quarters 0.6 + 0.25 x 0.36.
    assert fitted((0.25, 0.75)).bounds == pytest.approx((0, 0.69), abs=1e-3)
    bounds = fitted((0, 1), ['cat', 'bus'], ['lynx', 'dog']).bounds
    assert bounds == pytest.approx((0, 0.96), abs=1e-3)


def test_which_candidates_pass_by_hand():
    window = fitted((0.55, 0.9))
    # Place 1.65 of 0, 0, 0.6, 0.96, and 2.7.
    assert window.bounds == pytest.approx((0.39, 0.852), abs=1e-3)
    candidates = ['lynx', 'dog', 'car']
    assert window.accepts(candidates, ['cat']).tolist() == [False, True, False]
    assert window.accepts(candidates, [' Cat', 'bus']).tolist() == [False, True, True]
    assert window.accepts(candidates, []).tolist() == [True] * 3
    assert window.accepts([], ['cat']).tolist() == []


def test_scale_of_the_space_does_not_matter():
    """A text model whose cosines all are above 0.46 lets the same candidates pass."""
    narrow = np.concatenate([VECTORS, np.full((5, 1), 1.6)], axis=1)
    narrow /= np.linalg.norm(narrow, axis=1, keepdims=True)
    assert (narrow @ narrow.T).min() > 0.46
    window, other = fitted((0.2, 0.8), NAMES), SimilarityWindow((0.2, 0.8))
    other.fit(NAMES, narrow, NAMES, NAMES)
    assert other.bounds[0] > 0.7 and window.bounds[0] < 0.1
    for positives in (['cat'], ['bus', 'dog'], ['car']):
        others = [name for name in NAMES if name not in positives]
        np.testing.assert_array_equal(
            window.accepts(others, positives), other.accepts(others, positives))


def test_a_phrase_without_a_vector_is_an_error():
    window = fitted()
    with pytest.raises(KeyError, match="'unheard of' has no vector"):
        window.accepts(['lynx'], ['unheard of'])
    with pytest.raises(RuntimeError, match=r'add dict\(type=.expalign.SimilarityWindowHook'):
        SimilarityWindow((0, 1)).accepts(['lynx'], ['cat'])
    with pytest.raises(ValueError, match='no pair of a positive and another phrase'):
        fitted(candidates=['cat'])


@pytest.mark.parametrize('quantiles', [(0.7, 0.2), (0.5, 0.5), (-0.1, 0.5), (0.1, 1.1), (0.5,)])
def test_bad_quantiles(quantiles):
    with pytest.raises(ValueError, match='must be two numbers of 0 to 1, the lower one first'):
        SimilarityWindow(quantiles)


def test_large_vocabularies_are_sampled_and_come_close():
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((3 * SAMPLE, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f'phrase {i}' for i in range(len(vectors))]
    windows = [SimilarityWindow((0.5, 0.999)) for _ in range(2)]
    for window in windows:
        window.fit(names, vectors, names, names)
    assert windows[0].bounds == windows[1].bounds
    rest = vectors[:1000] @ vectors[1000:].T
    assert windows[0].bounds == pytest.approx(np.quantile(rest, (0.5, 0.999)), abs=0.02)
