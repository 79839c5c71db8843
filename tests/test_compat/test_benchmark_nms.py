"""The NMS benchmark script."""

import os

import pytest

SCRIPT = 'tools/analysis_tools/benchmark_nms.py'
COMPILED = os.environ.get('EXPALIGN_COMPILED_MMCV')


def test_table_of_this_environment(run_script, capsys) -> None:
    run_script(SCRIPT, '--sizes', 40, 90, '--repeats', 1)
    header, columns, *rows = capsys.readouterr().out.splitlines()
    assert 'first call' in header and columns.split()[:3] == ['operator', 'layout', 'boxes']
    assert [tuple(row.split()[:3]) for row in rows] == [
        (operator, layout, boxes) for operator in ('nms', 'batched_nms')
        for layout in ('scattered', 'clustered') for boxes in ('40', '90')]
    assert all(float(row.split()[3]) > 0 for row in rows)


@pytest.mark.skipif(not COMPILED, reason='EXPALIGN_COMPILED_MMCV does not name a folder with mmcv')
def test_ratio_to_compiled_mmcv(run_script, capsys) -> None:
    run_script(SCRIPT, '--sizes', 40, '--repeats', 1, '--compiled', COMPILED)
    rows = [row.split() for row in capsys.readouterr().out.splitlines()[2:]]
    for *_, here, there, ratio in rows:
        assert float(ratio) == pytest.approx(float(here) / float(there), rel=0.5)
