"""Statistics of cells: equal to those of all features at once, kept in files."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from expalign.models.prompt_fitting.background import Background
from expalign.models.prompt_fitting.best_cells import best_cells
from expalign.models.prompt_fitting.image_cells import ImageCells, ImageSide

torch.manual_seed(0)
SIDE = ImageSide(tuple(torch.randn(2, 5, 3).unbind()), tuple(torch.randn(2, 5).unbind()),
                 (2.0, 3.0), (-9.0, -10.0))


def images():
    return [ImageCells(torch.randn(6, 3), torch.zeros(6, 4), (4, 2)) for _ in range(7)]


def test_it_is_mean_and_covariance_of_all_features():
    seen = images()
    background = Background.gather(seen, 'abc')
    assert background.counts.tolist() == [28, 14] and background.space == 'abc'
    features = torch.cat([
        SIDE.features(part, level) for cells in seen
        for level, part in enumerate(cells.hidden.split(cells.sizes))]).double()
    mean, covariance = background.features(SIDE)
    torch.testing.assert_close(mean, features.mean(0))
    torch.testing.assert_close(covariance, torch.cov(features.T, correction=0))
    with pytest.raises(ValueError, match='no image'):
        Background.gather([], 'abc')


def test_a_file_gives_it_back(tmp_path):
    background = Background.gather(images(), 'abc')
    background.save(tmp_path / 'b.safetensors', command='by hand')
    loaded = Background.load(tmp_path / 'b.safetensors')
    assert loaded.space == 'abc'
    for one, other in zip(loaded[1:], background[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    save_file(dict(counts=torch.ones(2)), tmp_path / 'other.safetensors')
    with pytest.raises(ValueError, match=r'other.safetensors has no statistics'):
        Background.load(tmp_path / 'other.safetensors')
    save_file(dict(counts=torch.ones(2), means=torch.ones(2, 3), covariances=torch.ones(2, 3, 2)),
              tmp_path / 'odd.safetensors', dict(image_side='abc'))
    with pytest.raises(ValueError, match=r'odd.safetensors: its shapes'):
        Background.load(tmp_path / 'odd.safetensors')


def test_logits_are_those_of_the_literal_equations():
    """Eqs 1-4: S(x, l) = <F(x), T(l)>, pi = softmax of its mean over the level's cells."""
    cells, tau = images()[0], 0.7
    tokens, masks = torch.randn(4, 3, 5), torch.rand(4, 3) > 0.3
    masks[:, 0] = True
    side, expected = SIDE._replace(tau=tau), []
    for level, hidden in enumerate(cells.hidden.split(cells.sizes)):
        scores = torch.einsum('nd,kld->nkl', SIDE.features(hidden, level), tokens)
        pi = (scores.mean(0) / tau).masked_fill(~masks, -torch.inf).softmax(1)
        expected.append((scores * pi).sum(2) * SIDE.scales[level] + SIDE.biases[level])
    torch.testing.assert_close(side.logits(cells, side.fold(tokens), masks), torch.cat(expected))


def test_cells_are_those_whose_boxes_overlap_most():
    cells = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30], [0, 0, 10, 20]])
    places, ious = best_cells(cells, torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 25]]), 2)
    assert places[0].tolist()[0] == 0 and set(places[0].tolist()[1:]) <= {1, 3}
    np.testing.assert_allclose(ious[0], [1, 0.5])
    assert places[1, 0] == 2
    np.testing.assert_allclose(ious[1], [0.5, 0])
    assert best_cells(cells, cells[:1], 9)[0].shape == (1, 4)
