"""The plan of a small model: the numbers of its table belong together."""

import re

import pytest

SCRIPT = 'tools/analysis_tools/training_plan.py'
CONFIG = 'configs/mini/expalign_mini-seg.py'


def test_rows_follow_from_what_was_measured(run_script, capsys, monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    run_script(
        SCRIPT, CONFIG, '--size', '64', '--prompts', '4', '--instances', '3', '--batch-size', '4',
        '--gpus', '1', '8', '--images', '3200', '--tflops', '2', '--bandwidth', '0.001')
    out = capsys.readouterr().out
    lines = [[cell.strip() for cell in line.strip('|').split('|')]
             for line in out.splitlines() if line.startswith('|')]
    one, eight = (dict(zip(lines[0], row, strict=True)) for row in lines[1:])
    gradients = float(out.split('gradients ')[1].split(' MB')[0])
    gflop = float(re.search(r'(\d+) GFLOP', out)[1])
    assert (one['images a step'], eight['images a step']) == ('4', '32')
    # The rate of the config, 2e-3, is for 128 images.
    assert (one['learning rate'], eight['learning rate']) == ('6.25e-05', '0.0005')
    assert float(one['MB sent a GPU']) == 0
    assert float(eight['MB sent a GPU']) == pytest.approx(1.75 * gradients, abs=0.2)
    assert float(eight['compute s']) == pytest.approx(4 * gflop / 2000, abs=0.002)
    # At a thousandth of a GB/s the exchange decides.
    assert eight['s a step'] == eight['all-reduce s'] and one['s a step'] == one['compute s']
    hours = 3200 // 32 * float(eight['s a step']) / 3600
    assert float(eight['h an epoch']) == pytest.approx(hours, abs=0.01)
    assert 'assumed: 2 TFLOP/s sustained; exchange assumed: 0.001 GB/s' in out


@pytest.mark.parametrize(('option', 'value', 'message'), [
    ('--tflops', '0', '--tflops must be above 0'), ('--gpus', '0', '--gpus must be 1 or more')])
def test_numbers_that_cannot_be(run_script, capsys, option, value, message):
    with pytest.raises(SystemExit):
        run_script(SCRIPT, CONFIG, option, value)
    assert message in capsys.readouterr().err
