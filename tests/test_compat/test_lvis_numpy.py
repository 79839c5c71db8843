"""LVIS evaluation with a numpy that has no ``float``."""

import sys
from types import ModuleType

import numpy as np
import pytest

import expalign  # noqa: F401  (before lvis: the compatibility layer)
from expalign.compat import lvis_numpy


def lvis_ground_truth() -> dict:
    """Two images, two classes, three 10 x 10 boxes; class 2 is known to be absent from image 1."""
    boxes = ((1, 1, 0), (2, 1, 50), (2, 2, 0))  # image, class, left
    annotations = [
        dict(id=i, image_id=image, category_id=category, bbox=[left, 0, 10, 10], area=100,
             segmentation=[[left, 0, left + 10, 0, left + 10, 10, left, 10]])
        for i, (image, category, left) in enumerate(boxes, 1)]
    return dict(
        images=[dict(id=1, neg_category_ids=[2], not_exhaustive_category_ids=[]),
                dict(id=2, neg_category_ids=[], not_exhaustive_category_ids=[])],
        categories=[dict(id=i, name=f'class {i}', frequency='f') for i in (1, 2)],
        annotations=annotations)


@pytest.mark.parametrize('wrong_image, expected', [(2, 1.0), (1, 0.75)])
def test_lvis_evaluator_runs(tmp_path, wrong_image: int, expected: float) -> None:
    """A false alarm of the top score on image 1 makes AP of class 2 1/2; perfect ones give 1."""
    import json

    from lvis import LVIS, LVISEval, LVISResults
    truth = lvis_ground_truth()
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(truth))
    results = [dict(image_id=a['image_id'], category_id=a['category_id'], bbox=a['bbox'],
                    score=0.5) for a in truth['annotations']]
    results.append(dict(image_id=wrong_image, category_id=2, bbox=[0, 0, 10, 10], score=0.9))
    ground_truth = LVIS(str(path))
    evaluation = LVISEval(ground_truth, LVISResults(ground_truth, results), 'bbox')
    evaluation.run()
    assert evaluation.get_results()['AP'] == pytest.approx(expected)


def test_only_lvis_sees_the_addition() -> None:
    import lvis.eval
    import lvis.vis
    assert lvis.eval.np.float is float
    assert lvis.eval.np.cumsum is np.cumsum and lvis.vis.np is np
    assert 'float' not in vars(np)


def test_module_imported_before_the_hook_is_completed_once(monkeypatch) -> None:
    early = ModuleType('lvis.eval')
    early.np = np
    monkeypatch.setitem(sys.modules, 'lvis.eval', early)
    lvis_numpy.patch_if_imported()
    completed = early.np
    lvis_numpy.patch_if_imported()
    assert early.np is completed and completed.float is float and completed.zeros is np.zeros
