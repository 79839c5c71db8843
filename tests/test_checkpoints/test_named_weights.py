"""Weights by name, from a server on loopback: fetched, converted, joined, used, and refused."""

import hashlib
import io

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from expalign import cli, model_zoo
from expalign.apis import ExpAlignInferencer
from expalign.checkpoints.warm_start import shipped_part
from expalign.checkpoints.yolo_world import ConversionError
from expalign.utils import model_table
from expalign.utils.download import FetchError
from tests.helpers.file_server import file_server, serve_repository
from tests.helpers.tokenizers import make_clip_tokenizer, tiny_clip_config
from tests.helpers.yolo_world_layouts import mmyolo, tensors

IMAGE = 'demo/data/mini/val2017/000000229997.jpg'
REPOSITORY = 'openai/clip-vit-base-patch32'
WIDTHS = [64, 128, 128]
TINY = f"""
stages = [256, 512, 512]
size = dict(widen_factor=0.25, deepen_factor=0.33)
model = dict(
    backbone=dict(last_stage_out_channels=512, **size),
    neck=dict(pafpn=dict(in_channels=stages, out_channels=stages, **size), in_channels={WIDTHS}),
    bbox_head=dict(head_module=dict(in_channels={WIDTHS})))
"""


@pytest.fixture(scope='module')
def checkpoint():
    """A file with the layout of YOLO-World's own, of an image side that is narrower than all."""
    weights = tensors(mmyolo('tiny'))
    for level in range(3):
        weights[f'bbox_head.head_module.cls_contrasts.{level}.bias'] = torch.tensor(-2.0).half()
    file = io.BytesIO()
    torch.save(dict(meta=dict(cfg='import os', epoch=100), state_dict=weights, message_hub=dict(
        log_scalars=dict(loss=HistoryBuffer([1.0], [1])))), file)
    return file.getvalue()


@pytest.fixture(scope='module')
def tower(tmp_path_factory):
    """Files of a CLIP of the right width of tokens, and small otherwise."""
    folder = tmp_path_factory.mktemp('clip')
    make_clip_tokenizer(folder)
    torch.manual_seed(0)
    model = CLIPTextModelWithProjection(CLIPTextConfig(**tiny_clip_config(projection_dim=512)))
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / 'pytorch_model.bin')
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def zoo(tmp_path, monkeypatch, checkpoint, tower):
    """A server, and a table of models that are made of what it has."""
    configs = tmp_path / 'zoo' / 'configs'
    configs.mkdir(parents=True)
    for name in ('minilm', 'clip'):
        (configs / f'tiny_{name}.py').write_text(
            f"_base_ = 'expalign::warm_start/expalign_v8l_{name}.py'\n{TINY}")
    digest = hashlib.sha256(checkpoint).hexdigest()[:8]
    with file_server() as server:
        server.files[f'/files/tiny-{digest}.pth'] = checkpoint
        serve_repository(server, REPOSITORY, tower)
        sources = {
            'tiny': dict(Address=f'{server.address}/files/tiny-{digest}.pth', SHA256=digest,
                         Megabytes=7, Terms='A tiny one by nobody, licence X.'),
            'clip': dict(Repository=REPOSITORY, Files=sorted(tower),
                         SHA256=hashlib.sha256(tower['pytorch_model.bin']).hexdigest(),
                         Megabytes=2, Terms='A tiny CLIP, licence Y.')}
        sources['clip']['Files'].sort(key=lambda name: name == 'pytorch_model.bin')
        rows = [
            dict(Name='tiny', Weights='expalign://tiny', Config='configs/tiny_minilm.py',
                 **{'Made Of': {'Image Side': 'tiny', 'Parts': ['text']}}),
            dict(Name='tiny-clip', Weights='expalign://tiny-clip', Config='configs/tiny_clip.py',
                 **{'Made Of': {'Image Side': 'tiny', 'Text Encoder': 'clip'}})]
        (configs / 'metafile.yml').write_text(yaml.safe_dump(dict(Models=rows, Sources=sources)))
        monkeypatch.setattr(model_table, 'FOLDER', tmp_path / 'zoo')
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
        monkeypatch.setenv('HF_ENDPOINT', server.address)
        monkeypatch.setenv('HF_HUB_OFFLINE', '0')
        monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', False)
        monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path / 'hub'))
        yield server


def go_offline(monkeypatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)


def rewrite(**changes):
    """Change entries of the sources in the table."""
    path = model_table.FOLDER / 'configs' / 'metafile.yml'
    table = yaml.safe_load(path.read_text())
    for name, entries in changes.items():
        table['Sources'][name] |= entries
    path.write_text(yaml.safe_dump(table))


def test_a_larger_image_side(zoo, checkpoint, monkeypatch, tmp_path, capsys):
    model = model_zoo.find('tiny')
    assert model_zoo.megabytes_to_fetch(model) == 7
    inferencer = ExpAlignInferencer('tiny', device='cpu', show_progress=False)
    assert inferencer(IMAGE, texts=['black bear', 'a zyx'])['predictions'][0]['scores']
    told = capsys.readouterr()
    assert told.err.count('licence X') == 1 and '(about 7 MB)' in told.err
    assert 'licence' not in told.out
    loaded = inferencer.model.state_dict()
    source = torch.load(io.BytesIO(checkpoint), weights_only=False)['state_dict']
    assert loaded['neck.pafpn.top_down_layers.0.gate.guide_proj.weight'].equal(
        source['neck.top_down_layers.0.attn_block.guide_fc.weight'].float())
    text = load_file(shipped_part('text'))
    assert all(loaded[name].equal(value.float()) for name, value in text.items())
    # From now on without a network, and without what was fetched; as a config's load_from, too.
    assert model_zoo.megabytes_to_fetch(model) == 0
    go_offline(monkeypatch)
    raw = next((tmp_path / 'cache').rglob('*.pth'))
    raw.unlink()
    own = tmp_path / 'own.py'
    own.write_text("load_from = 'expalign://tiny'\n")
    again = CheckpointLoader.load_checkpoint(Config.fromfile(own).load_from)
    assert all(loaded[name].equal(value) for name, value in again['state_dict'].items())
    assert again['meta']['image_side.licence'] == 'GPL-3.0 (YOLO-World)'
    assert [path for _, path, _ in zoo.requests] == [f'/files/{raw.name}']
    assert capsys.readouterr().err == ''


def test_the_text_tower_of_clip(zoo, tower, monkeypatch, capsys):
    model = model_zoo.find('tiny-clip')
    assert model_zoo.megabytes_to_fetch(model) == 9
    model_zoo.checkpoint(model.weights)
    told = capsys.readouterr().err
    assert told.count('licence X') == told.count('licence Y') == 1
    assert model_zoo.megabytes_to_fetch(model) == 0
    go_offline(monkeypatch)
    inferencer = ExpAlignInferencer('tiny-clip', device='cpu', show_progress=False)
    assert inferencer(IMAGE, texts=['cat', 'red dog'])['predictions'][0]['scores']
    weights = torch.load(io.BytesIO(tower['pytorch_model.bin']))
    assert inferencer.model.text_encoder.model.text_projection.weight.equal(
        weights['text_projection.weight'])


def test_the_command_says_what_has_to_be_fetched(zoo, capsys):
    def shown():
        cli.main(['models'])
        return [line.split()[:4] for line in capsys.readouterr().out.splitlines()]

    assert shown() == [['tiny', 'to', 'fetch:', '7'], ['tiny-clip', 'to', 'fetch:', '9']]
    model_zoo.checkpoint('expalign://tiny')
    capsys.readouterr()
    here, rest = shown()
    assert here[:2] == ['tiny', 'here'] and rest == ['tiny-clip', 'to', 'fetch:', '2']


def test_what_cannot_be_had_is_one_line(zoo, monkeypatch, tmp_path):
    address = model_zoo.sources()['tiny']['Address']
    kept = zoo.files.copy()
    zoo.files.clear()
    tower = f'{zoo.address}/{REPOSITORY}/resolve/main/pytorch_model.bin'
    refused = {'expalign://tiny': (address, 'put it there as', '404'),
               'expalign://tiny-clip': (tower, 'HF_HOME')}
    for weights, parts in refused.items():
        with pytest.raises(FetchError) as error:
            model_zoo.checkpoint(weights)
        assert '\n' not in str(error.value)
        assert all(part in str(error.value) for part in parts), error.value
    go_offline(monkeypatch)
    for weights, (place, *_) in refused.items():
        with pytest.raises(FetchError) as error:
            model_zoo.checkpoint(weights)
        assert place in str(error.value) and 'HF_HUB_OFFLINE' in str(error.value)
        assert '\n' not in str(error.value)
    zoo.files.update(kept)
    monkeypatch.setenv('XDG_CACHE_HOME', __file__)
    monkeypatch.setenv('HF_HUB_OFFLINE', '0')
    with pytest.raises(FetchError, match=r'py/expalign cannot be written to .*set XDG_CACHE_HOME'):
        model_zoo.checkpoint('expalign://tiny')
    assert not list((tmp_path / 'cache').rglob('tiny*'))


def test_other_files_than_expected(zoo):
    rewrite(tiny=dict(SHA256='12345678'), clip=dict(SHA256='0' * 64))
    with pytest.raises(FetchError, match='should begin with 12345678'):
        model_zoo.checkpoint('expalign://tiny')
    for _ in range(2):  # what was fetched is not taken for good the next time
        with pytest.raises(FetchError, match=r'/pytorch_model\.bin is not the file that is'):
            model_zoo.checkpoint('expalign://tiny-clip')


def test_a_checkpoint_of_another_size(zoo):
    config = model_table.FOLDER / 'configs' / 'tiny_minilm.py'
    config.write_text(config.read_text().replace('widen_factor=0.25', 'widen_factor=0.5'))
    with pytest.raises(ConversionError, match='the checkpoint does not fit the config'):
        model_zoo.checkpoint('expalign://tiny')
