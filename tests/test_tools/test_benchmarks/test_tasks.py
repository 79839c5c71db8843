"""Every task at a small size: its tables, and what they must say whatever the machine."""

import argparse
from importlib import import_module

import pytest
import torch
from benchmarks import TASKS
from benchmarks.comparison import compare, count_flops, peak_bytes

CONFIG = 'configs/mini/expalign_mini.py'


def run(task: str, *arguments: object) -> tuple[str, list[dict[str, list[str]]]]:
    """A task's report, and its tables: cells by the first of every row."""
    module = import_module(TASKS[task])
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    text = module.run(parser.parse_args([str(argument) for argument in arguments]))
    tables, inside = [], False
    for line in text.splitlines():
        if line.startswith('+') and not inside:
            tables.append({})
        if line.startswith('|'):
            cells = [cell.strip() for cell in line.strip('|').split('|')]
            tables[-1][cells[0]] = cells[1:]
        inside = line.startswith(('|', '+'))
    return text, tables


SMALL = ('--channels', 6, '--width', 10, '--size', 64, '--repeats', 1)


@pytest.mark.parametrize('short', [(), ('--short',)])
def test_class_heads_for_prediction(short):
    text, (table,) = run('eah', '--prompts', 4, '--tokens', 3, *SMALL, *short)
    cells = 8 * 8 + 4 * 4 + 2 * 2
    product = 2 * 4 * 6 * cells / 1e9
    assert float(table['static head, matmul'][1]) == pytest.approx(product, abs=0.005)
    assert float(table['matmul of the same size'][4]) == 1.0
    assert {'expectation, folded', 'sentence-level head', 'literal Eqs 1-4'} <= set(table)
    if not short:
        assert 'table of 12 tokens, kept: 0.0 MiB' in text


def test_class_heads_in_training():
    text, (table,) = run('eah', '--train', '--prompts', 5, '--tokens', 8, '--batch', 2, *SMALL)
    assert list(table) == ['K = 5', 'sentence-level head', 'expectation', 'literal Eqs 1-4']
    assert table['sentence-level head'][3:] == ['1.00', '1.00']
    assert float(table['literal Eqs 1-4'][4]) > float(table['expectation'][4])
    assert 'of the memory' in text
    _, (table,) = run('eah', '--train', '--without-literal', '--prompts', 5, '--batch', 2, *SMALL)
    assert list(table) == ['K = 5', 'sentence-level head', 'expectation']


def test_forms_agree_with_the_model_as_built(run_at_root):
    _, (table,) = run('forms', '--config', CONFIG, '--prompts', 3, '--size', 64, '--candidates', 9,
                      '--repeats', 1)
    del table['form']
    assert list(table) == [
        'as built', 'inference_mode', 'channels_last', 'fused', 'fused_channels_last']
    assert all(float(cells[2]) < 1e-3 for cells in table.values())


def test_batches_and_threads(run_at_root):
    _, (table,) = run('scaling', '--config', CONFIG, '--prompts', 3, '--size', 64, '--batches', 1,
                      4, '--threads', 1, '--repeats', 1)
    small, large = (float(table[batch][1]) for batch in '14')
    assert 2 * small < large < 6 * small


def test_stream_of_images(run_at_root):
    text, (table,) = run('stream', '--images', 12, '--rows', 3, '--batch', 4)
    assert list(table) == ['images', '4', '8', '12']
    assert 'from the first row to the last: ' in text


def test_labelling(run_at_root):
    text, (table,) = run('labelling', '--model', 'none', '--images', 8)
    assert list(table) == ['workers', '1', '2'] and 'none, 8 photographs of ' in text
    assert float(table['1'][2]) > 50  # a row names its image


def test_training_step(run_at_root):
    text, (table,) = run('train_step', '--config', CONFIG, '--batch', 2, '--prompts', 4,
                         '--instances', 2, '--size', 64, '--repeats', 1)
    *parts, whole = [float(cells[0]) for name, cells in table.items() if name != 'part']
    assert sum(parts) == pytest.approx(whole, abs=6)
    assert float(table['backward'][0]) > 0 and float(table['optimiser'][0]) > 0
    assert '8 distinct prompts' in text and '8 found' in text


def test_text(run_at_root):
    _, (times, hits) = run(
        'text', '--config', CONFIG, '--prompts', 3, 5, '--repeats', 1, '--cache-sizes', 100, 9000,
        '--iterations', 4, '--batch', 2, '--phrases', 500)
    assert list(times) == ['K', '3', '5'] and list(hits) == ['cache holds', '100', '9,000']
    assert float(hits['9,000'][1][:-2]) > float(hits['100'][1][:-2])


def test_peak_is_what_is_held_at_a_time():
    first = torch.zeros(1000)

    def call() -> None:
        for _ in range(5):
            second = first + 1
            del second

    assert peak_bytes(call) == pytest.approx(4000, abs=100)
    assert peak_bytes(lambda: [first + 1, first + 2]) == pytest.approx(8000, abs=100)


def test_operations_and_ratios():
    left, right = torch.zeros(3, 5), torch.zeros(5, 7)
    assert count_flops(lambda: left @ right) == 2 * 3 * 5 * 7
    found = compare(dict(a=lambda: left @ right, b=lambda: left.sum()), 3)
    assert len(found['a'].seconds) == 3 and found['a'].ratio(found['a']) == 1
    assert found['a'].peak == pytest.approx(4 * 3 * 7, abs=100) and found['b'].flops == 0


def test_prompts_of_a_model_whose_adapter_has_no_weights(run_at_root):
    text, _ = run('model', '--config', 'configs/warm_start/expalign_v8s_clip.py', '--prompts', 3,
                  '--size', 64, '--candidates', 9, '--repeats', 1)
    assert 'K = 3 takes 1.00 times as long as K = 3' in text


def test_rates_of_training_and_prediction(run_at_root):
    text, (table,) = run('rates', '--train', CONFIG, '--predict', CONFIG, '--batch', 2,
                         '--prompts', 3, '--instances', 1, '--size', 64, '--repeats', 1,
                         '--amp', 'bf16')
    assert 'K = 3, 64 x 64, bf16, ' in text
    train, predict = table[f'{CONFIG}, training'], table[f'{CONFIG}, prediction']
    for row in (train, predict):
        assert float(row[2]) == pytest.approx(2000 / float(row[1]), rel=0.05)
    assert train[3:] == ['', ''] and float(predict[4]) > 0.5
