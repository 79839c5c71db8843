"""Loaders whose workers are started anew, as Windows and macOS start them."""

import pytest
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from expalign.utils.load_config import load_config

pytestmark = pytest.mark.slow  # each worker imports all there is


@pytest.mark.parametrize('part', ['train_dataloader', 'val_dataloader'])
def test_workers_that_inherit_nothing(run_at_root, part):
    init_default_scope('mmdet')
    settings = load_config('configs/mini/expalign_mini.py')[part]
    settings.update(num_workers=1, multiprocessing_context='spawn', batch_size=2)
    batch = next(iter(Runner.build_dataloader(settings, seed=0)))
    assert len(batch['inputs']) == 2
