"""The export tools as a user calls them."""

import json

import pytest
import torch

from tests.helpers.mini_model import CONFIG, write_mini_weights

pytest.importorskip('onnx', reason='needs onnx')
pytest.importorskip('onnxruntime', reason='needs onnxruntime')
EXPORT, TEST = 'tools/deploy/export_onnx.py', 'tools/deploy/test_onnx.py'
PHOTOGRAPH = 'demo/data/mini/val2017/000000214753.jpg'


@pytest.fixture(scope='module')
def weights(tmp_path_factory, run_at_root):
    """Untrained weights, none of whose scores is so near to 1 that rounding makes it one."""
    path = write_mini_weights(tmp_path_factory.mktemp('weights') / 'mini.pth')
    checkpoint = torch.load(path, weights_only=True)
    for name, value in checkpoint['state_dict'].items():
        if 'logit_scales' in name:
            value.fill_(-4.0)
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope='module')
def exported(weights, tmp_path_factory, run_script):
    folder = tmp_path_factory.mktemp('exported')
    run_script(EXPORT, CONFIG, weights, '-o', folder / 'm.onnx',
               '--text-side', folder / 'text.onnx')
    return folder


def test_the_default_takes_any_prompts(exported):
    import onnxruntime

    from expalign.runtime import OnnxDetector
    assert sorted(path.name for path in exported.iterdir()) == [
        'm.onnx', 'text.onnx', 'text.tokenizer.json']
    session = onnxruntime.InferenceSession(str(exported / 'm.onnx'))
    assert {item.name: item.shape for item in session.get_inputs()} == dict(
        images=['B', 3, 'H', 'W'], txt_feats=['K', 'L', 256], txt_masks=['K', 'L'])
    assert {item.name: item.shape for item in session.get_outputs()} == dict(
        logits=['B', 'K', 'N'], boxes=['B', 'N', 4])
    detector = OnnxDetector(exported / 'm.onnx', exported / 'text.onnx', threads=1)
    assert detector.settings.image_size == [320, 320]
    (found,) = detector(PHOTOGRAPH, ['a horse', 'a person'], score_thr=0)
    assert len(found.scores) > 5 and set(found.names) == {'a horse', 'a person'}


def test_baked_with_nms_in_half_precision(weights, run_script, tmp_path):
    from expalign.runtime import OnnxDetector
    (tmp_path / 'names.json').write_text(json.dumps(['person', 'horse']))
    run_script(EXPORT, CONFIG, weights, '-o', tmp_path / 'm.onnx', '--nms', '--fp16',
               '--bake-vocabulary', tmp_path / 'names.json')
    detector = OnnxDetector(tmp_path / 'm.onnx', threads=1)
    assert detector.settings.vocabulary == ['person', 'horse'] and detector.settings.nms_inside
    (found,) = detector(PHOTOGRAPH, score_thr=0)
    assert set(found.names) <= {'person', 'horse'} and len(found.scores) > 5


def test_metrics_are_those_of_the_pytorch_model(
        exported, weights, run_script, tmp_path, capsys):
    metrics = run_script(TEST, CONFIG, exported / 'm.onnx', '--text-side', exported / 'text.onnx',
                         '--threads', 1, '--compare', weights)
    printed = capsys.readouterr().out
    assert '7200 boxes: 0 without a counterpart, 0 exchanged' in printed
    assert '0 in another order' in printed
    run_script('tools/test.py', CONFIG, weights, '--work-dir', tmp_path, '--cfg-options',
               'log_level=ERROR')
    (log,) = tmp_path.glob('*/*.json')
    expected = json.loads(log.read_text().splitlines()[-1])
    for name in ('coco/bbox_mAP', 'coco/bbox_mAP_50'):
        assert metrics[name] == pytest.approx(expected[name], abs=2e-3)


@pytest.mark.parametrize(('options', 'message'), [
    (['-o', 'm.pb'], 'm.pb: the name must end in .onnx'),
    (['-o', 'm.onnx', '--fp16', '--int8'], 'choose one'),
    (['-o', 'm.onnx', '--int8'], '--int8 needs --calibration-images'),
    (['-o', 'm.onnx', '--int8', '--calibration-images', 'configs'], 'configs has no image'),
    (['-o', 'm.onnx', '--bake-vocabulary', 'coco', '--text-side', 't.onnx'],
     'needs no --text-side'),
])
def test_command_lines_that_cannot_work(weights, run_script, capsys, options, message):
    with pytest.raises(SystemExit):
        run_script(EXPORT, CONFIG, weights, *options)
    assert message in capsys.readouterr().err
