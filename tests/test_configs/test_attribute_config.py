"""The config of made-up attributes, trained and tested on a small set of them."""

from dataclasses import replace

import pytest
from attribute_set.layout import make_set
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from tests.helpers.attribute_photographs import write_photographs
from tests.helpers.reduced import Reduction

CONFIG = 'configs/ablations/attributes/expalign_v8s_minilm_attributes_sem050-geo100.py'


@pytest.mark.slow
def test_a_small_set_trains_and_is_tested(tmp_path, monkeypatch, repo_root):
    (tmp_path / 'encoders').mkdir()
    cfg = Reduction(tmp_path / 'encoders')(repo_root / CONFIG)
    make_set(tmp_path / 'data/attributes', replace(write_photographs(tmp_path), side=384))
    monkeypatch.chdir(tmp_path)
    loader = dict(num_workers=0, persistent_workers=False, pin_memory=False)
    cfg.train_dataloader.update(loader, batch_size=4)
    cfg.val_dataloader.update(loader)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.param_scheduler = None
    cfg.update(load_from=None, work_dir=str(tmp_path / 'run'), log_level='ERROR')
    seen = {}
    with DefaultScope.overwrite_default_scope('mmdet'):
        runner = Runner.from_cfg(ConfigDict(cfg._cfg_dict))
        monkeypatch.setattr(runner.val_loop.evaluator, 'evaluate', keep(
            runner.val_loop.evaluator.evaluate, seen))
        runner.train()
    assert runner.iter == 3  # two lists of six pictures
    scalars = runner.message_hub.log_scalars
    assert {'train/loss_cls', 'train/loss_sem', 'train/loss_geo'} <= set(scalars)
    trained = {name.split('.')[0] for name, x in runner.model.named_parameters() if x.requires_grad}
    assert trained == {'text_adapter', 'neck', 'bbox_head'}
    assert any(name.startswith('lvis/') for name in seen)
    assert any(name.startswith('absent_prompts/') for name in seen)


def keep(evaluate, seen):
    """``evaluate``, whose result is kept too."""
    def kept(*args):
        seen.update(evaluate(*args))
        return seen
    return kept
