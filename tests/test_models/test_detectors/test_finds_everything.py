"""A search for everything: the names of a table, by guides and by the best cells."""

import math

import pytest
import torch
from torch.nn import functional as F

from expalign.models.detectors import finds_everything
from expalign.models.detectors.finds_everything import (
    LOWEST,
    name_cells,
    thing_scores,
    typical_rows,
)
from expalign.models.layers import fold_tokens
from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors
from expalign.registry import MODELS
from tests.helpers.models import sample, tiny_detector_config, tiny_segmentation_config

NAMES = ['cat', 'dog', 'bow (weapon)', 'bus', 'tree', 'cup', 'pen']


@pytest.fixture(scope='module', params=['boxes', 'masks'])
def model(request, tmp_path_factory):
    """A tiny detector with a gated pyramid and the vectors of seven names."""
    folder = tmp_path_factory.mktemp('names')
    vectors = torch.randn(len(NAMES), 10, generator=torch.Generator().manual_seed(1))
    write_prompt_vectors(folder / 'names.npz', NAMES, vectors)
    config = (tiny_detector_config if request.param == 'boxes' else tiny_segmentation_config)(
        folder)
    config.neck.inject = 'max_sigmoid'
    config.known_names = dict(type='expalign.KnownNames', vectors=str(folder / 'names.npz'))
    torch.manual_seed(0)
    model = MODELS.build(config).eval()
    model.bbox_head.head_module.biases[0].data.fill_(-1.0)
    return model


@pytest.fixture
def image():
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def samples(text, count=2):
    return [sample(text, size=64, custom_entities=False) for _ in range(count)]


@torch.no_grad()
def test_with_all_cells_and_all_guides_it_is_the_list_of_all_names(model, image):
    """Then nothing is left out, and one name a box is what single labels and agnostic NMS give."""
    found = [x.pred_instances for x in model.predict(image, samples('*'))]
    kept = model.bbox_head.test_cfg.copy()
    model.bbox_head.test_cfg.update(
        multi_label=False, nms=dict(type='nms', iou_threshold=0.7, class_agnostic=True))
    try:
        wanted = [x.pred_instances for x in model.predict(image, samples(NAMES))]
    finally:
        model.bbox_head.test_cfg.update(kept)
    for one, other in zip(found, wanted, strict=True):
        assert 5 < len(one) <= 50
        torch.testing.assert_close(one.scores, other.scores, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(one.bboxes, other.bboxes)
        assert one.labels.tolist() == other.labels.tolist()
        assert one.label_names == [NAMES[label] for label in one.labels] == other.label_names
        assert sorted(one.keys()) == sorted(other.keys())  # no trace of the priors
    assert len({*found[0].label_names, *found[1].label_names}) > 1


@torch.no_grad()
def test_only_the_best_cells_are_named(model, image, monkeypatch):
    every = model.predict(image, samples('*'))[0].pred_instances
    monkeypatch.setattr(finds_everything, 'NAMED', 3)
    monkeypatch.setattr(finds_everything, 'PEAK_POWER', 0.0)
    few = model.predict(image, samples('*'))[0].pred_instances
    above = few.scores > 0.001
    assert 1 <= int(above.sum()) <= 3 < len(every)
    assert float(few.scores[0]) == pytest.approx(float(every.scores[0]))  # guides are all names


@torch.no_grad()
def test_the_vocabulary_may_be_everything(model, image):
    wanted = model.predict(image, samples('*'))[0].pred_instances
    model.set_vocabulary('*')
    try:
        found = model.predict(image, samples(None))[0].pred_instances
        assert torch.equal(found.scores, wanted.scores)
    finally:
        model.vocabulary = None


@torch.no_grad()
def test_new_weights_make_new_tables(model, image):
    before = model.predict(image, samples('*'))[0].pred_instances.scores
    bias = model.bbox_head.head_module.biases[0]
    bias.add_(1.0)
    after = model.predict(image, samples('*'))[0].pred_instances.scores
    bias.sub_(1.0)
    assert float(after[0]) > float(before[0])


def test_what_cannot_be_searched_for(model, image, monkeypatch):
    with pytest.raises(ValueError, match='some images of a batch ask'):
        model.predict(image, [*samples('*', 1), *samples('cat', 1)])
    with pytest.raises(ValueError, match='no alignment maps'):
        model.predict_aligned(image, samples('*'))
    # A class of a data set that is called so is a class.
    assert model.prompts_of(sample(['*'])) == ['*']
    assert model.prompts_of(samples('*')[0]) == NAMES
    monkeypatch.setattr(model, 'known_names', None)
    with pytest.raises(ValueError, match="texts='lvis'"):
        model.predict(image, samples('*'))


def table_of(*rows, dense=False, factor=2.0):
    """The table of one-token prompts for one level with F = X; logits 2 EAM - 1."""
    conv, norm = torch.nn.Conv2d(2, 2, 1), torch.nn.BatchNorm2d(2, eps=0.0).eval()
    conv.weight.data = torch.eye(2)[..., None, None]
    conv.bias.data.zero_()
    vectors = torch.tensor(rows)[:, None]
    masks = torch.ones(vectors.shape[:2], dtype=torch.bool)
    return fold_tokens([(conv, norm)], vectors, masks, dense).with_logits([(factor, -1.0)])


# One level of four cells, (4, 0), (3, 4), (1, 9) and (0, 9).
CELLS = torch.tensor([[[4.0, 3.0], [1.0, 0.0]], [[0.0, 4.0], [9.0, 9.0]]])[None]


def test_scores_of_things_by_hand():
    """Two guides; four sides of two bins, even in all cells but the last, where one is 3 to 1."""
    dists = torch.zeros(1, 8, 2, 2)
    dists[0, 0, 1, 1] = math.log(3)
    things = thing_scores([CELLS], [dists], table_of([1.0, 0.0], [0.0, 0.5]))
    even, last = 12 * math.log(0.5), 12 * math.log((3 * 0.5 + 0.75) / 4)
    wanted = [7 + even, 5 + even, 8 + even, 8 + last]
    assert things[0].tolist() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize('dense', [False, True])
def test_named_cells_by_hand(monkeypatch, dense):
    monkeypatch.setattr(finds_everything, 'NAMED', 2)
    names = table_of([1.0, 0.0], [0.0, 1.0], [0.6, 0.8], dense=dense)
    scores, owners = name_cells([CELLS], torch.tensor([[2.0, 3.0, 1.0, 0.0]]), names)
    # Cells (4, 0) and (3, 4): 2 * 4 - 1 by the first name, 2 * (1.8 + 3.2) - 1 by the third.
    assert scores[0].tolist() == pytest.approx([7.0, 9.0, LOWEST, LOWEST])
    assert owners[0, :2].tolist() == [0, 2]


def test_typical_rows_by_hand():
    """Three groups of three around orthogonal directions: the middle one of each."""
    steps = torch.tensor([-0.1, 0.0, 0.1])
    groups = [F.normalize(torch.eye(4)[axis] + step * torch.eye(4)[3], dim=0)
              for axis in range(3) for step in steps]
    assert typical_rows(torch.stack(groups), 3).tolist() == [1, 4, 7]
    some = F.normalize(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    assert typical_rows(some, 80).tolist() == list(range(50))
