"""Printing a merged config."""

import pytest
from mmengine.config import Config

SCRIPT = 'tools/analysis_tools/print_config.py'


def test_prints_and_saves_the_merged_config(run_script, tmp_path, capsys):
    target = tmp_path / 'new folder' / 'whole.py'
    run_script(SCRIPT, 'configs/mini/expalign_mini.py', '--save-path', target,
               '--cfg-options', 'train_cfg.max_epochs=7')
    printed = capsys.readouterr().out
    assert "type='expalign.ExpAlignDetector'" in printed
    whole = Config.fromfile(target)
    assert whole.train_cfg.max_epochs == 7
    assert whole.model.neck.type == 'expalign.EAHNeck'
    assert '_base_' not in target.read_text().replace('num_base_prompts', '')


def test_refuses_other_formats(run_script, capsys):
    with pytest.raises(SystemExit):
        run_script(SCRIPT, 'configs/mini/expalign_mini.py', '--save-path', 'x.toml')
    assert '--save-path x.toml: the name must end in one of' in capsys.readouterr().err
