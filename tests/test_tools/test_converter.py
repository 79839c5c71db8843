"""The converter's command line on a small file, and what its output is good for."""

import hashlib
import json

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from safetensors import safe_open

from expalign.models.text_encoders import PromptVectorEncoder
from expalign.registry import MODELS
from tests.helpers import yolo_world_layouts as layouts

SCRIPT = 'tools/model_converters/yolo_world_to_expalign.py'
CONFIG = 'configs/_base_/models/expalign_v8s.py'


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A file in ultralytics' form with random weights, its weights and its text vectors."""
    path = tmp_path_factory.mktemp('source') / 'yolov8s-worldv2.pt'
    weights = layouts.tensors(layouts.ultralytics('s'))
    vectors = torch.nn.functional.normalize(torch.randn(1, 2, 512), dim=-1)
    layouts.save_ultralytics(path, weights, ['cat', 'red dog'], vectors)
    return path, weights, vectors


def test_converts_and_reports(source, tmp_path, run_script, capsys):
    path, weights, vectors = source
    out, table = tmp_path / 'new' / 'out.safetensors', tmp_path / 'names.npz'
    run_script(SCRIPT, path, out, '--vectors', table)
    printed = capsys.readouterr().out
    assert f'{len(weights)} of {len(weights) + 2} tensors -> {out}' in printed
    assert 'for expalign_v8s.py' in printed and 'licence: AGPL-3.0' in printed
    assert 'left out, a constant of the architecture: 1 (model.22.anchors)' in printed
    assert f'2 text vectors -> {table}' in printed

    with safe_open(out, 'pt') as file:
        meta = file.metadata()
    assert meta['source_sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert json.loads(meta['dataset_meta']) == {'classes': ['cat', 'red dog']}
    assert (meta['source'], meta['source_layout']) == ('yolov8s-worldv2.pt', 'ultralytics')

    cfg = Config.fromfile(CONFIG).model
    cfg.text_encoder = dict(type='expalign.PromptVectorEncoder', vectors=str(table))
    model = MODELS.build(cfg)
    checkpoint = load_checkpoint(model, str(out))
    assert checkpoint['meta']['dataset_meta']['classes'] == ['cat', 'red dog']
    assert torch.equal(
        model.neck.embed_branches[1][2].weight, weights['model.22.cv3.1.2.weight'].float())
    tokens, _ = PromptVectorEncoder(str(table))(['red dog'])
    torch.testing.assert_close(tokens[0, 0], vectors[0, 1])


def test_errors_are_one_line_and_leave_no_file(source, tmp_path, run_script):
    path, _, _ = source
    out = tmp_path / 'out.safetensors'
    other = tmp_path / 'other.pth'
    torch.save({'state_dict': {'a': torch.ones(1)}}, other)
    with pytest.raises(SystemExit, match=f'^error: {other} is not a YOLO-World detector'):
        run_script(SCRIPT, other, out)
    with pytest.raises(SystemExit, match='^error: checkpoint nowhere.pt does not exist'):
        run_script(SCRIPT, 'nowhere.pt', out)
    with pytest.raises(SystemExit, match=r'^error: the checkpoint does not fit the config:\n'):
        run_script(SCRIPT, path, out, '--config', 'configs/_base_/models/expalign_v8m.py')
    assert not out.exists()


def test_no_vectors_to_write(tmp_path, run_script):
    path = tmp_path / 'a.pth'
    torch.save({'state_dict': layouts.tensors(layouts.mmyolo('s'))}, path)
    with pytest.raises(SystemExit, match='has no text vectors to write'):
        run_script(SCRIPT, path, tmp_path / 'a.safetensors', '--vectors', tmp_path / 'b.npz')


@pytest.mark.parametrize('arguments, message', [
    (['a.pt', 'b.pth'], 'DST b.pth: the name must end in .safetensors'),
    (['a.pt', 'b.safetensors', '--vectors', 'c.txt'], '--vectors c.txt: the name must end in')])
def test_names_of_the_outputs(arguments, message, run_script, capsys):
    with pytest.raises(SystemExit):
        run_script(SCRIPT, *arguments)
    assert message in capsys.readouterr().err
