"""How GACO acts is measured where the log is written, and changes nothing."""

import json

from tests.helpers.models import tiny_detector_config
from tests.helpers.runs import make_runner

SHARES = {'gaco_clipped', 'gaco_to_prompts', 'gaco_to_background'}


def run(model, folder, hooks):
    """Every value of the log by name, and the written lines."""
    runner = make_runner(
        model, folder, epochs=1, custom_hooks=hooks, num_images=10, default_hooks=dict(
            runtime_info=dict(type='expalign.RuntimeInfoHook'),
            logger=dict(type='mmengine.LoggerHook', interval=3)))
    runner.train()
    values = {name.removeprefix('train/'): history.data[0].tolist()
              for name, history in runner.message_hub.log_scalars.items()
              if name.startswith('train/') and 'time' not in name}
    lines = next(folder.rglob('scalars.json')).read_text().splitlines()
    return values, [json.loads(line) for line in lines]


def test_shares_are_logged_with_the_lines(tmp_path):
    model = tiny_detector_config(tmp_path)
    model.consistency = dict(type='expalign.ConsistencyRegularizer')
    plain, _ = run(model, tmp_path / 'plain', [])
    values, lines = run(model, tmp_path / 'watched', [dict(type='expalign.ConsistencyWatchHook')])
    assert {name: values[name] for name in plain} == plain
    assert set(values) - set(plain) == SHARES
    iterations = len(plain['loss_geo'])
    # The first iteration, every third and the last.
    measured = {0, iterations - 1, *range(2, iterations, 3)}
    assert all(len(values[name]) == len(measured) < iterations for name in SHARES)
    assert all(set(line) >= SHARES for line in lines if 'loss' in line)
    assert all(0 <= share <= 1 for name in SHARES for share in values[name])


def test_models_without_consistency_are_left_alone(tmp_path):
    run(tiny_detector_config(tmp_path), tmp_path / 'run',
        [dict(type='expalign.ConsistencyWatchHook')])
