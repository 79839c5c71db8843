"""tools/analysis_tools/benchmark.py and benchmark_lvis_eval.py at a small size."""

import re
import subprocess
import sys
import time

import pytest
from benchmarks import model as model_task
from benchmarks import timing

from expalign.models.layers.folded_alignment import FoldedMaps

SEG_FREE = 'configs/mini/expalign_mini.py'


def rows(text: str) -> dict[str, list[float]]:
    """The numbers of a printed table's rows by their first cell."""
    cells = [[cell.strip() for cell in line.strip('|').split('|')]
             for line in text.splitlines() if line.startswith('|')]
    return {row[0]: [float(cell.replace(',', '')) for cell in row[1:]] for row in cells[1:]}


def test_model_task_adds_up(run_script, capsys):
    run_script('tools/analysis_tools/benchmark.py', '--task', 'model', '--config', SEG_FREE,
               '--prompts', 3, 20, '--size', 64, '--candidates', 50, '--repeats', 1)
    text = capsys.readouterr().out
    table = rows(text)
    assert list(table) == ['resize', 'backbone', 'pyramid', 'branches', 'alignment', 'decoding',
                           'NMS', 'other', 'whole']
    for column in range(4):
        *parts, whole = [row[column] for row in table.values()]
        assert sum(parts) == pytest.approx(whole, abs=0.6) and whole > 0
    assert re.search(r'K = 20 takes \d+\.\d\d times as long as K = 3', text)
    assert '50 candidates' in text
    outside = re.search(r'outside of backbone, pyramid, branches: (\S+)% \(K = 3\)', text)
    inner = sum(table[part][1] for part in ('backbone', 'pyramid', 'branches'))
    assert float(outside[1]) == pytest.approx(100 - inner, abs=0.3)


def test_the_product_counts_as_alignment(monkeypatch, run_script, capsys):
    logits = FoldedMaps.logits

    def slow(self):
        time.sleep(0.05)
        return logits(self)

    monkeypatch.setattr(FoldedMaps, 'logits', slow)
    for module in (timing, model_task):
        monkeypatch.setattr(module, 'clock', time.perf_counter)
    run_script('tools/analysis_tools/benchmark.py', '--task', 'model', '--config', SEG_FREE,
               '--prompts', 3, '--size', 64, '--candidates', 50, '--repeats', 1)
    assert 50 < rows(capsys.readouterr().out)['alignment'][0] < 500


def test_postprocess_task(run_script, capsys):
    run_script('tools/analysis_tools/benchmark.py', '--task', 'postprocess', '--config', SEG_FREE,
               '--prompts', 9, '--size', 64, '--candidates', 5, 40, '--repeats', 1)
    table = rows(capsys.readouterr().out)
    assert list(table) == ['5', '40']
    assert 1 <= table['5'][0] <= 5


def test_help_of_a_task_and_unknown_tasks(run_script, capsys):
    with pytest.raises(SystemExit):
        run_script('tools/analysis_tools/benchmark.py', '--task', 'model', '--help')
    assert '--prompts' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run_script('tools/analysis_tools/benchmark.py', '--task', 'nothing')
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


def test_tasks_that_are_scripts_of_their_own(run_script, capsys):
    run_script('tools/analysis_tools/benchmark.py', '--task', 'nms', '--sizes', 40, '--repeats', 1)
    assert 'batched_nms' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run_script('tools/analysis_tools/benchmark.py', '--task', 'dataloader', '--help')
    assert '--rounds' in capsys.readouterr().out


@pytest.mark.slow
def test_lvis_metric_and_official_evaluator_agree(run_at_root):
    """In a process of its own: the script starts others, which import it by its name."""
    for iou_type in ('bbox', 'segm'):
        text = subprocess.run(
            [sys.executable, 'tools/analysis_tools/benchmark_lvis_eval.py', '--images', '20',
             '--detections', '50', '--classes', '30', '--per-class', '20', '--iou-type', iou_type,
             '--official'], capture_output=True, text=True, check=True).stdout
        assert re.search(r'APs differ by (0\.0e\+00|[1-9]\.\de-1\d)', text), text
