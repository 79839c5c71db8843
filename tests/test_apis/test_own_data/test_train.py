"""``expalign train FOLDER``: from labelled photographs to weights that know their classes."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file

from expalign.apis.inferencer import ExpAlignInferencer
from expalign.apis.own_data import train as own_data
from expalign.apis.own_data.train import RunExists, train_own_data
from expalign.registry import MODELS
from expalign.structures.thresholds import thresholds_of
from expalign.utils.image_files import decode
from expalign.utils.load_config import load_config
from tests.conftest import forget_visualizers
from tests.helpers.own_folders import NAMES, WRITERS
from tests.helpers.reduced import Reduction


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """``load_config`` that makes the model of a recipe small, at 64 px, in this process alone."""
    folder = tmp_path_factory.mktemp('small')
    reduce = Reduction(folder)

    def load(path):
        cfg = load_config(path)
        cfg.model = reduce.shrink(cfg).model
        cfg.load_from, cfg.sync_bn = str(folder / 'start.pth'), None
        loader = dict(num_workers=0, persistent_workers=False)
        cfg.merge_from_dict({f'{split}_dataloader': loader for split in ('train', 'val', 'test')})
        hooks = [h for h in cfg.custom_hooks if h['type'] != 'expalign.ZeroShotReportHook']
        cfg.custom_hooks = hooks
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        for bias in model.bbox_head.head_module.biases:
            torch.nn.init.constant_(bias, -2.0)
        torch.save(dict(state_dict=model.state_dict()), cfg.load_from)
        return cfg

    return load


@pytest.fixture(scope='module')
def run(small, tmp_path_factory):
    """One run, on labelme's outlines; what it said, its folder and its result."""
    root = tmp_path_factory.mktemp('run')
    WRITERS['labelme'](root / 'photos', 12)
    said = []
    forget_visualizers()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_data, 'load_config', small)
        result = train_own_data(root / 'photos', root / 'out', mode='probe', epochs=2, imgsz=64,
                                say=said.append)
        with pytest.raises(RunExists, match='trained already'):
            train_own_data(root / 'photos', root / 'out', mode='probe', epochs=2, imgsz=64,
                           say=said.append)
        with pytest.raises(RunExists, match='other settings'):
            train_own_data(root / 'photos', root / 'out', mode='probe', epochs=3, imgsz=64,
                           say=said.append)
    return '\n'.join(said), root, result


def test_it_says_what_it_saw_and_what_it_does(run):
    said = run[0].splitlines()
    assert said[0].startswith('labelme') and '12 images' in said[0]
    assert re.search('10 images to train on, 2 to validate with: drawn by seed 0 from all 12 ',
                     run[0])
    assert 'Loads checkpoint' not in run[0]
    assert 'boxes and masks; classes' in run[0]
    assert 'probe of expalign-s: 2 epochs, 64 px, 2 images a step' in run[0]
    assert re.search(r'before training: boxes AP \d\.\d{3}.*masks AP', run[0])
    assert f'expalign detect {run[1] / "out/data/val"} {run[2].weights}' in run[0]


def test_files_of_a_run(run):
    _, root, result = run
    out = root / 'out'
    files = {path.name for path in out.iterdir()}
    assert {'best.safetensors', 'last.safetensors', 'report.html', 'metrics.json', 'config.py',
            'check.txt'} <= files
    # What is resumed from is gone, and nothing was written beside the photographs.
    assert not list((out / 'training').glob('*.pth'))
    assert {path.suffix for path in (root / 'photos').iterdir()} == {'.jpg', '.json'}
    metrics = json.loads(result.metrics.read_text())
    assert metrics['settings']['batch'] == 2 and 0 <= metrics['after']['AP'] <= 1
    assert set(metrics['classes']) <= set(NAMES)


def test_the_page_needs_nothing_else(run):
    page = run[2].report.read_text()
    assert not re.search(r'(?:src|href)="(?!data:)', page) and '<script' not in page
    for title in ('Use it', 'Classes', 'What was found as what', 'The worst mistakes',
                  'What it cost', 'The data'):
        assert f'<h2>{title}</h2>' in page
    assert 'data:image/jpeg;base64,' in page


def test_the_weights_know_their_classes(run, small):
    _, root, result = run
    inferencer = ExpAlignInferencer(small(root / 'out/config.py'), result.weights, device='cpu',
                                    show_progress=False)
    known = inferencer.model.known_classes
    assert set(known.names) <= set(NAMES) and len(known.thresholds) == len(known.names)
    metrics = json.loads(result.metrics.read_text())
    assert known.thresholds == tuple(
        metrics['classes'][name]['threshold'] for name in known.names)
    image = next((root / 'out/data/val').glob('*.jpg'))
    found = inferencer.detect(str(image))
    assert found.prompts == list(known.names)
    assert set(inferencer.detect(str(image), ['a red chair']).names) <= {'a red chair'}
    # Each class at its own threshold; in windows and on the page, too.
    expected = thresholds_of(known.names, known=known)
    assert found.thresholds == pytest.approx(expected)
    sample = inferencer.detect_large(str(image), patch_size=320)
    assert set(sample.pred_instances.label_names) <= set(known.names)


def test_the_page_searches_for_the_classes_without_a_text(run, small):
    from expalign.apis.web.search import search, summary
    _, root, result = run
    inferencer = ExpAlignInferencer(small(root / 'out/config.py'), result.weights, device='cpu',
                                    show_progress=False)
    image = next((root / 'out/data/val').glob('*.jpg'))
    pixels, known = decode(image.read_bytes())[..., ::-1], inferencer.model.known_classes
    found = summary(search(inferencer, pixels, ' '))
    assert found['prompts'] == list(known.names)
    # Each class at its own threshold while nobody says another one.
    assert found['thresholds'] == pytest.approx(thresholds_of(known.names, known=known))
    asked = summary(search(inferencer, pixels, 'a red chair'))
    assert (asked['prompts'], asked['thresholds']) == (['a red chair'], [0.07])


def test_the_script_for_configs_gives_the_same_run(run, small, run_script, tmp_path, monkeypatch):
    monkeypatch.setattr('expalign.utils.load_config.load_config', lambda path, _: small(path))
    run_script('tools/train.py', run[1] / 'out/config.py', '--work-dir', tmp_path / 'work')
    own, other = (load_file(folder / 'last.safetensors')
                  for folder in (run[1] / 'out', tmp_path / 'work'))
    assert own.keys() == other.keys()
    for name, value in own.items():
        assert torch.equal(value, other[name]), name


def test_the_folder_of_results_is_called_as_the_data(tmp_path):
    (tmp_path / 'cups.v3i.coco').mkdir()
    assert own_data._plain_name(tmp_path / 'cups.v3i.coco') == 'cups.v3i.coco'
    assert own_data._plain_name(tmp_path / 'cups.v3i.zip') == 'cups.v3i'


@pytest.mark.slow
def test_what_was_interrupted_goes_on(small, tmp_path, monkeypatch):
    WRITERS['voc'](tmp_path / 'photos', 4)
    monkeypatch.setattr(own_data, 'load_config', small)
    build, said = own_data.build_runner, []

    class Interrupted(Exception):
        pass

    def stopping(cfg):
        runner = build(cfg)
        step = runner.model.train_step

        def train_step(*args, **kwargs):
            if runner.epoch == 1:
                raise Interrupted
            return step(*args, **kwargs)

        runner.model.train_step = train_step
        return runner

    arguments = dict(data=tmp_path / 'photos', out=tmp_path / 'out', mode='adapter', epochs=2,
                     imgsz=64, say=said.append)
    forget_visualizers()
    monkeypatch.setattr(own_data, 'build_runner', stopping)
    with pytest.raises(Interrupted):
        train_own_data(**arguments)
    assert (tmp_path / 'out/training/epoch_1.pth').is_file()
    steps = []

    def counting(cfg):
        runner = build(cfg)
        step = runner.model.train_step
        runner.model.train_step = lambda *args, **kwargs: (
            steps.append(runner.epoch), step(*args, **kwargs))[1]
        return runner

    forget_visualizers()
    monkeypatch.setattr(own_data, 'build_runner', counting)
    train_own_data(**arguments)
    assert set(steps) == {1}  # the first epoch was not trained again
