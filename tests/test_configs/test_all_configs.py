"""Every shipped config is parsed, built small and trained for two iterations."""

import ast
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from expalign.engine.test_time_augmentation import mirrored_pipeline
from expalign.registry import MODELS
from tests.helpers.reduced import Reduction, batch, train_twice

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts)
MAX_DEPTH = 3


@pytest.fixture(autouse=True)
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(scope='module')
def reduce(tmp_path_factory):
    return Reduction(tmp_path_factory.mktemp('encoders'))


def bases_of(path: Path) -> list[Path]:
    """The files that a config inherits from directly."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_':
            bases = ast.literal_eval(node.value)
            bases = [bases] if isinstance(bases, str) else bases
            return [(path.parent / base).resolve() for base in bases]
    return []


def depth(path: Path) -> int:
    """Steps from a config to the farthest file that it inherits from."""
    return max((1 + depth(base) for base in bases_of(path)), default=0)


@pytest.mark.parametrize('path', CONFIGS)
def test_config_is_flat_and_its_model_builds_trains_and_predicts(path, reduce):
    assert depth(ROOT / path) <= MAX_DEPTH
    cfg = reduce(path)
    assert cfg.default_scope == 'mmdet'
    check_views(cfg)
    if 'optim_wrapper' in cfg:
        model = check_two_iterations(path, cfg)
    else:  # for evaluation alone: data and metric of a model that is trained elsewhere
        assert 'train_cfg' not in cfg and 'test_cfg' in cfg and Path(path).parent.name != 'configs'
        model = MODELS.build(cfg.model)
    data = model.data_preprocessor(batch())
    with torch.no_grad():
        assert len(model.eval().predict(data['inputs'], data['data_samples'])) == 2


def check_views(cfg):
    """What mmdet's tools need for --tta is defined, and is of this config's test pipeline."""
    dataset = cfg.test_dataloader.dataset
    assert cfg.tta_pipeline == mirrored_pipeline(dataset.pipeline)
    assert cfg.tta_model == dict(type='expalign.InstanceTTAModel')  # its limits are the model's
    assert {'nms', 'max_per_img'} <= cfg.model.test_cfg.keys()


def check_two_iterations(path, cfg):
    """Train; finite losses of the terms that the name says, nothing of what is frozen."""
    model, optim_wrapper, logs = train_twice(cfg)
    assert all(torch.isfinite(value) for log in logs for value in log.values())
    assert ('loss_mask' in logs[0]) == ('-seg' in path)
    assert ('loss_sem' in logs[0] or 'loss_geo' in logs[0]) == (
        cfg.model.get('consistency') is not None and '_sem000-geo000' not in path)
    optimizer = optim_wrapper.optimizer
    trained = {id(value) for value in model.parameters() if value.requires_grad}
    optimized = {id(value) for group in optimizer.param_groups for value in group['params']}
    assert trained and optimized == trained
    assert {id(value) for value in optimizer.state} <= trained
    assert all(value.grad is None for value in model.parameters() if not value.requires_grad)
    return model


def test_the_main_recipe_alone_is_outside_of_a_folder():
    """And configs/README.md has a row for every folder."""
    assert [path for path in CONFIGS if path.count('/') == 1] == ['configs/expalign_cnxt_o365.py']
    readme = (ROOT / 'configs/README.md').read_text()
    folders = {Path(path).parent for path in CONFIGS} - {Path('configs')}
    missing = [folder for folder in folders if f'`{folder.name}' not in readme]
    assert not missing and len(folders) > 10


def test_every_building_block_is_used():
    files = list((ROOT / 'configs').resolve().rglob('*.py'))
    used = {base for file in files for base in bases_of(file)}
    unused = [file for file in files if '_base_' in file.parts and file not in used]
    assert len(used) > 20 and not unused


def test_names_say_what_inherits_from_what():
    """A stage 2 starts from the weights of the stage 1 that its name says."""
    names = {Path(path).stem for path in CONFIGS}
    followers = [path for path in CONFIGS if '_stage2' in path]
    assert len(followers) > 30
    for path in followers:
        cfg = Config.fromfile(path, import_custom_modules=False)
        stage1, _, change = Path(path).stem.partition('_stage2')
        if change.startswith('_neg'):
            stage1 += change
        epochs = 60 if stage1.startswith('expalign_mini') else 30
        assert stage1 in names and cfg.load_from == f'work_dirs/{stage1}/epoch_{epochs}.pth'
