"""What is kept of a search, and its pictures, without a server."""

import io
import json

import numpy as np
import PIL.Image
import pycocotools.mask as coco_mask
import pytest

from expalign.apis.web import pictures
from expalign.apis.web.requests import Refused
from expalign.apis.web.search import EXPLAINED, search, summary
from expalign.visualization.explanation import best_scores
from tests.helpers.mini_model import write_mini_weights

PHOTOGRAPH = np.full((60, 80, 3), 90, np.uint8)


def shown(file):
    return np.asarray(PIL.Image.open(io.BytesIO(file.content)))


def test_kept_maps_belong_to_their_boxes(page_inferencer):
    prompts = [f'thing {k}' for k in range(EXPLAINED + 5)]
    found = search(page_inferencer, PHOTOGRAPH, '. '.join(prompts))
    kept = found.alignment.prompts
    assert len(kept) == EXPLAINED == len(found.alignment.eams['P3'])
    assert [prompts[place] for place in found.places] == kept
    names = [kept[label] for label in found.instances.labels.tolist()]
    assert names == found.instances.label_names
    scores = best_scores(found.detections.data_sample.pred_instances, len(prompts))
    assert sorted(scores[prompts.index(name)] for name in kept) == sorted(scores)[-EXPLAINED:]
    about = summary(found)
    assert max(map(max, filter(None, about['scores']))) == pytest.approx(scores.max(), abs=1e-4)
    assert sum(map(len, about['scores'])) == len(found.detections.data_sample.pred_instances)
    assert 100_000 < found.weight < 10_000_000


def test_misspelled_words_are_met(page_inferencer):
    about = summary(search(page_inferencer, PHOTOGRAPH, 'lvsi'))
    assert about['hints'] == [dict(prompt='lvsi', vocabulary='lvis')]
    with pytest.raises(Refused, match='Write what to search for'):
        search(page_inferencer, PHOTOGRAPH, ' ')


def test_large_photographs_are_shown_small(page_inferencer):
    """Boxes are those of the photograph; pictures of the page are no larger than it shows."""
    large = np.full((1500, 2000, 3), 90, np.uint8)
    found = search(page_inferencer, large, 'a cat')
    about = summary(found)
    assert (about['height'], about['width']) == found.size == (1500, 2000)
    record = json.loads(pictures.json_file([found], 0.0).content)
    assert (record['width'], record['height'], len(record['detections'])) == (2000, 1500, 20)
    assert found.detections.size == (1200, 1600)
    np.testing.assert_allclose([row['box'] for row in record['detections']],
                               found.detections.above(0.0).boxes * 1.25, atol=0.01)
    coco, threshold = json.loads(pictures.coco_file([found], 0.9).content), 0.9
    assert len(coco['annotations']) == len(found.detections.above(threshold))
    assert len(json.loads(pictures.json_file([found], 1.0).content)['best_scores']) == 1
    assert shown(pictures.picture(found, 0.0, 1600, 15)).shape == (1200, 1600, 3)
    assert shown(pictures.picture(found, 0.0, 400, 15)).shape == (300, 400, 3)
    assert shown(pictures.pictures_file([found], 0.0, [large])).shape == large.shape
    assert shown(pictures.map_of_level(found, 0, 'P3', 0.0)).shape == (600, 800, 3)
    assert shown(pictures.explanation_picture(found, [0], 0.0)).ndim == 3
    # The box is at the same place in pictures of every size.
    box = found.detections.above(0.0).boxes[0]
    drawn = shown(pictures.picture(found, 0.0, 400, 8)).astype(int)
    x, y = (box[:2] * 0.25).round().astype(int).clip(2, 397)
    assert np.abs(drawn[y:y + 4, x:x + 4] - 90).max() > 60
    tall = search(page_inferencer, large.transpose(1, 0, 2), 'a cat')
    assert shown(pictures.picture(tall, 0.0, 300, 15)).shape == (400, 300, 3)


def test_masks_are_drawn_and_in_the_results(tmp_path):
    from expalign.apis import ExpAlignInferencer
    config = 'configs/mini/expalign_mini-seg.py'
    inferencer = ExpAlignInferencer(
        config, write_mini_weights(tmp_path / 'seg.pth', config), device='cpu',
        show_progress=False)
    found = search(inferencer, PHOTOGRAPH, 'a cat. a dog', 'a.png')
    assert summary(found)['masks'] is True
    best = found.detections.data_sample.pred_instances[:1]
    threshold = best.scores.item() - 1e-4
    row = json.loads(pictures.json_file([found], threshold).content)['detections'][0]
    assert row['mask']['size'] == [60, 80]
    mask = best.masks.to_ndarray()[0]
    drawn = shown(pictures.picture(found, threshold, 80, 8)).astype(int)
    assert (np.abs(drawn[mask] - 90).max(-1) > 10).mean() > 0.95
    coco = json.loads(pictures.coco_file([found], threshold).content)
    assert coco['annotations'][0]['segmentation']['size'] == [60, 80]
    # Of a large photograph masks come in its own pixels.
    large = search(inferencer, np.repeat(np.repeat(PHOTOGRAPH, 40, 0), 40, 1), 'a cat. a dog')
    assert large.detections.size == (1200, 1600)
    best = large.detections[:1]
    row = json.loads(pictures.json_file(
        [large], float(best.scores[0]) - 1e-4).content)['detections'][0]
    grown = coco_mask.decode(row['mask'])
    assert grown.shape == (2400, 3200)
    assert grown.sum() == pytest.approx(4 * best.masks[0].sum(), rel=0.02)
