"""Label Studio's backend, by Label Studio's own server and configuration."""

import pytest

from expalign.data_tools.label_writers.labelstudio import label_config

pytest.importorskip('label_studio_ml.model', exc_type=ImportError)
IMAGE = 'demo/data/mini/val2017/000000214753.jpg'
CONFIG = '''<View><Image name="photo" value="$picture"/>
<RectangleLabels name="things" toName="photo">
<Label value="Animal" predicted_values="a horse, a dog"/><Label value="pizza"/>
</RectangleLabels></View>'''


@pytest.fixture
def client(mini_inferencer, monkeypatch, tmp_path):
    """Label Studio's server with the backend and the small model."""
    from label_studio_ml.api import init_app

    from expalign.apis.adapters import label_studio_backend
    monkeypatch.setattr(label_studio_backend, 'kept_inferencer', lambda *_: mini_inferencer)
    monkeypatch.setenv('EXPALIGN_LABEL_STUDIO_SCORE_THR', '0.05')
    app = init_app(label_studio_backend.ExpAlignBackend, model_dir=str(tmp_path))
    return app.test_client()


def predict(client, config: str, *tasks: dict) -> list[dict]:
    assert client.post('/setup', json=dict(project='1.1', schema=config)).status_code == 200
    answer = client.post('/predict', json=dict(
        tasks=list(tasks), project='1.1', label_config=config))
    assert answer.status_code == 200, answer.data
    return answer.json['results']


def test_predictions(client, mini_inferencer, repo_root, tmp_path):
    (found,) = predict(client, CONFIG, dict(id=1, data=dict(picture=str(repo_root / IMAGE))))
    expected = mini_inferencer.detect(IMAGE, ['a horse', 'a dog', 'pizza'], score_thr=0.05)
    height, width = expected.size
    assert len(found['result']) == len(expected) > 3
    assert found['score'] == pytest.approx(float(expected.scores[0]), abs=1e-4)
    for result, one in zip(found['result'], expected, strict=True):
        value = result['value']
        assert (result['from_name'], result['to_name'], result['type']) == (
            'things', 'photo', 'rectanglelabels')
        assert value['rectanglelabels'] == ['pizza' if one.name == 'pizza' else 'Animal']
        assert value['x'] == pytest.approx(100 * one.box[0] / width, abs=1e-2)
        assert value['height'] == pytest.approx(
            100 * (one.box[3] - one.box[1]) / height, abs=1e-2)


def test_a_photograph_that_cannot_be_read(client, repo_root, tmp_path):
    (tmp_path / 'bad.jpg').write_bytes(b'')
    bad, good = predict(client, CONFIG, dict(id=1, data=dict(picture=str(tmp_path / 'bad.jpg'))),
                        dict(id=2, data=dict(picture=str(repo_root / IMAGE))))
    assert bad['result'] == [] and good['result']


def test_the_written_configuration_is_what_label_studio_parses():
    from label_studio_sdk.label_interface import LabelInterface
    from label_studio_tools.core.label_config import parse_config
    names = ['a "red" <chair> & more', 'Tür, 木']
    parsed = parse_config(label_config(names, '/data/my--photos'))
    assert parsed['box']['labels'] == parsed['outline']['labels'] == names
    assert parsed['box']['inputs'] == [{'type': 'Image', 'value': 'image'}]
    interface = LabelInterface(label_config(names, '/data'))
    assert interface.get_tag('box').labels == names


def test_written_tasks_fit_the_configuration(tmp_path):
    """Label Studio's own check of predictions against the configuration."""
    import json

    from label_studio_sdk.label_interface import LabelInterface

    from tests.helpers.stub_labeller import label_with_stub, write_pictures
    write_pictures(tmp_path / 'photos', 3)
    label_with_stub(tmp_path / 'photos', tmp_path / 'out', formats=['labelstudio'])
    folder = tmp_path / 'out/labelstudio'
    interface = LabelInterface((folder / 'label_config.xml').read_text())
    tasks = json.loads((folder / 'tasks-00001.json').read_text())
    assert len(tasks) == 3
    for task in tasks:
        assert interface.validate_prediction(task['predictions'][0])
        task['predictions'][0]['result'][0]['value']['rectanglelabels'] = ['another']
        assert not interface.validate_prediction(task['predictions'][0])
