"""The parts of the tables of prompts and of guides that need no model, on a set of two images."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from expalign.models.prompt_fitting.image_cells import ImageSide
from expalign.models.prompt_fitting.views import VIEWS
from expalign.models.text_encoders.prompt_vectors import write_prompt_vectors

TOOLS = str(Path(__file__).parents[3] / 'tools' / 'analysis_tools')


@pytest.fixture(scope='module')
def tools():
    """Modules of the folder by name, as its scripts see one another."""
    sys.path.insert(0, TOOLS)
    try:
        import guide_choice
        import guide_table
        import prompt_cells
        import prompt_tables
        yield dict(choice=guide_choice, guides=guide_table, cells=prompt_cells,
                   tables=prompt_tables)
    finally:
        sys.path.remove(TOOLS)


@pytest.fixture
def kept(tmp_path, tools):
    """Inputs of 32 x 32: 16, 4 and 1 cells; an image of 64 x 32, halved and padded by 8 rows.

    The first cell of the first image is the thing, at (0, 8, 8, 16) of the input.
    """
    annotations = dict(
        images=[dict(id=number, file_name=f'{number}.jpg') for number in (5, 6, 7)],
        categories=[dict(id=3, name='cup')],
        annotations=[dict(id=1, image_id=5, category_id=3, iscrowd=0, area=256,
                          bbox=[0, 0, 16, 16])])
    (tmp_path / 'truth.json').write_text(json.dumps(annotations))
    hidden = np.zeros((3, 21, 2), np.float16)
    hidden[0, 0] = 1
    boxes = np.tile(np.float32([20, 20, 30, 30]), (3, 21, 1))
    boxes[:, 0] = 0, 8, 8, 16
    frame = dict(ori=[32, 64], scale=[0.5, 0.5], pad=[8, 8, 0, 0])
    side = ImageSide((torch.eye(2),) * 3, (torch.zeros(2),) * 3, (4.0,) * 3, (-9.0,) * 3)
    torch.save(tuple(side), tmp_path / 'side.pt')
    write_prompt_vectors(tmp_path / 'known.npz', ['cup'], torch.ones(1, 2))
    for name, view in (('plain', VIEWS['plain']), ('mirrored', VIEWS['mirrored'])):
        np.save(tmp_path / f'{name}.hidden.npy', hidden)
        np.save(tmp_path / f'{name}.boxes.npy', boxes)
        torch.save(dict(names=['cup'], feats=torch.ones(1, 1, 2), masks=torch.ones(1, 1) > 0),
                   tmp_path / f'{name}.text.pt')
        (tmp_path / f'{name}.json').write_text(json.dumps(dict(
            ann=str(tmp_path / 'truth.json'), view=view,
            images=[dict(id=image['id'], **frame) for image in annotations['images']])))
    return tmp_path


def test_boxes_of_a_kept_set_are_in_its_view(kept, tools):
    plain = tools['cells'].KeptSet(kept, 'plain')
    boxes, labels = plain.truth(0, ['cup'])
    assert boxes.tolist() == [[0, 8, 8, 16]] and labels.tolist() == [0]
    mirrored = tools['cells'].KeptSet(kept, 'mirrored').truth(0, ['cup'])[0]
    assert mirrored.tolist() == [[24, 8, 32, 16]]


def test_ap_of_a_kept_set_by_hand(kept, tools):
    """The thing's logit is 4 * 2 - 9 = -1, all others' are -9: it is the only box."""
    plain = tools['cells'].KeptSet(kept, 'plain')
    masks = torch.ones(1, 1, dtype=torch.bool)
    assert plain.ap(['cup'], torch.ones(1, 1, 2), masks) == pytest.approx(1)
    assert plain.ap(['cup'], -torch.ones(1, 1, 2), masks) == 0
    # Another name competes and has no class.
    both = plain.ap(['cup', 'owl'], torch.ones(2, 1, 2), masks.expand(2, 1))
    assert both == pytest.approx(1)


def test_the_first_candidates_are_enough_where_they_leave_enough(tools, monkeypatch):
    cells = tools['cells']
    draw = np.random.default_rng(0)
    corners = draw.uniform(0, 300, (900, 2))
    boxes = torch.from_numpy(np.concatenate([corners, corners + 60], 1)).float()
    scores = np.sort(draw.uniform(size=900))[::-1].astype(np.float32)
    labels = draw.integers(0, 2, 900)
    whole = cells._suppressed(boxes, scores, labels)  # 900 are fewer than the first
    assert len(whole) == 300 < 900 < cells.FIRST
    for first in (600, 50):  # enough, and too few
        monkeypatch.setattr(cells, 'FIRST', first)
        np.testing.assert_array_equal(cells._suppressed(boxes, scores, labels), whole)


def test_one_set_is_parted_in_a_third_and_the_rest(kept, tools):
    train, test = tools['tables'].read_sets(kept, 'plain', 'plain')
    assert [[image['id'] for image in part.images] for part in (train, test)] == [[5], [6, 7]]
    assert train.cells(0).hidden[0].tolist() == [1, 1] and not test.cells(0).hidden.any()
    whole = tools['tables'].read_sets(kept, 'plain', 'mirrored')
    assert [len(part) for part in whole] == [3, 3]


def test_names_are_taken_by_what_they_add(tools):
    """Sums of the columns: 1.0, 1.1, 1.05; beside the second, the others add 0.6 and 0.05."""
    scores = torch.tensor([[0.9, 0.3, 0.35], [0.1, 0.8, 0.7]])
    assert tools['choice'].greedy(scores, 2) == [1, 0]
    assert tools['choice'].greedy(scores, 9) == [1, 0, 2]


def test_lists_of_classes(tools):
    known = [f'name {number}' for number in range(40)]
    few = tools['guides'].lists_of(known[:2], known, [5])
    assert list(few) == ['classes', '+ 5'] and few['classes'] == known[:2]
    assert len(set(few['+ 5'])) == 7 and few['+ 5'][:2] == known[:2]
    many = tools['guides'].lists_of(known[:35], known, [])
    parts = [many[f'part {number}'] for number in range(3)]
    assert [len(part) for part in parts] == [10] * 3 and len(set(sum(parts, []))) == 30
