"""autodistill's base model, by autodistill's own classes."""

import cv2
import numpy as np
import pytest

from tests.helpers.mini_model import CONFIG

try:
    from autodistill import detection as autodistill
except ImportError:
    autodistill = None
needed = pytest.mark.skipif(autodistill is None, reason='needs autodistill')
IMAGE = 'demo/data/mini/val2017/000000214753.jpg'


@pytest.fixture
def model(mini_weights):
    from expalign.apis.adapters.base_model import ExpAlign
    ontology = autodistill.CaptionOntology({'a horse': 'animal', 'pizza, hot': 'food', 'dog': 'x'})
    return ExpAlign(ontology, CONFIG, mini_weights, score_thr=0.05, device='cpu')


@needed
def test_predictions(model, mini_inferencer):
    assert isinstance(model, autodistill.DetectionBaseModel)
    expected = mini_inferencer.detect(IMAGE, ['a horse', 'pizza, hot', 'dog'], score_thr=0.05)
    for image in (IMAGE, cv2.imread(IMAGE)):
        found = model.predict(image)
        np.testing.assert_allclose(found.xyxy, expected.boxes, atol=1e-2)
        assert found.class_id.tolist() == expected.labels.tolist()
        names = [dict(zip(('a horse', 'pizza, hot', 'dog'), ('animal', 'food', 'x'), strict=True))[
            name] for name in expected.names]
        assert found['class_name'].tolist() == names
    assert len(model.predict(np.zeros((20, 30, 3), np.uint8))) >= 0


@needed
def test_a_folder_is_labelled(model, tmp_path, monkeypatch):
    monkeypatch.setattr('builtins.print', lambda *_: None)
    (tmp_path / 'in').mkdir()
    for number in range(4):
        image = np.roll(cv2.imread(IMAGE), 40 * number, axis=1)
        cv2.imwrite(str(tmp_path / f'in/{number}.jpg'), image)
    dataset = model.label(str(tmp_path / 'in'), '.jpg', str(tmp_path / 'out'))
    assert len(dataset) == 4 and dataset.classes == ['animal', 'food', 'x']
    assert len(list((tmp_path / 'out').rglob('labels/*.txt'))) == 4


@pytest.mark.skipif(autodistill is not None, reason='autodistill is there')
def test_without_the_packages():
    from expalign.apis.adapters.base_model import ExpAlign
    from expalign.apis.adapters.label_studio_backend import ExpAlignBackend
    with pytest.raises(ImportError, match='pip install autodistill'):
        ExpAlign(None)
    with pytest.raises(ImportError, match='pip install label-studio-ml'):
        ExpAlignBackend()
