"""The line that says how far a training is, and what a run keeps of its weights."""

import re

from expalign.engine.hooks.training_progress_hook import progress_line
from tests.helpers.runs import make_runner


def test_rate_and_time_left_by_hand():
    line = progress_line(2, 10, 15, 60, elapsed=30.0, steps=10, loss=41.234)
    assert line == 'epoch 2 of 10, step 15 of 60, loss 41.2, 3.0 s a step, 2 min 15 s left'
    line = progress_line(1, 1, 5, 10, elapsed=2.0, steps=5, loss=1.0)
    assert line == 'epoch 1 of 1, step 5 of 10, loss 1.0, 2.5 steps a second, 2 s left'


def test_the_first_and_the_last_step_of_a_run_are_said(tmp_path, capsys):
    from tests.helpers.models import tiny_detector_config
    runner = make_runner(tiny_detector_config(tmp_path), tmp_path / 'work', epochs=2, custom_hooks=[
        dict(type='expalign.TrainingProgressHook', seconds=1000)])
    runner.train()
    lines = [line for line in capsys.readouterr().err.splitlines() if 'left' in line]
    assert [re.match(r'epoch \d of \d, step \d of \d', line)[0] for line in lines] == [
        'epoch 1 of 2, step 1 of 4', 'epoch 2 of 2, step 4 of 4']
    assert lines[-1].endswith(' 0 s left')
