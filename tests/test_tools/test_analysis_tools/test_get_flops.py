"""Counting the main configuration."""

import pytest

SCRIPT = 'tools/analysis_tools/get_flops.py'


@pytest.fixture(scope='module')
def table(run_script) -> dict[str, list[str]]:
    """The cells of each line by the component's name."""
    with pytest.MonkeyPatch.context() as patch:
        printed = []
        patch.setattr('builtins.print', lambda text: printed.append(str(text)))
        run_script(SCRIPT, 'configs/expalign_cnxt_o365.py', '--shape', '64', '--prompts', '40')
    assert printed[0] == 'configs/expalign_cnxt_o365.py, image 64 x 64'
    rows = (line.strip('|').split('|') for line in printed[1].splitlines() if '|' in line)
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def test_parameters_by_component(table):
    assert table['component'] == ['parameters', 'trained', 'frozen', 'GFLOPs']
    assert table['backbone'][:3] == ['27.82 M', '0.00 M', '27.82 M']
    assert table['text_encoder'][:3] == ['123.65 M', '0.00 M', '123.65 M']
    # SwiGLU of width D = 768: 6 D^2 + 5 D.
    assert table['text_adapter'][:3] == ['3.54 M', '3.54 M', '0.00 M']
    assert table['without text encoder'][:3] == ['55.96 M', '28.14 M', '27.82 M']


def test_operations(table):
    # 40 prompts of 3 words and an end token: 40 x 4 tokens, 6 D^2 multiply-adds each.
    assert table['text_adapter'][3] == f'{40 * 4 * 6 * 768**2 * 2 / 1e9:.2f}'
    parts = [cells[3] for name, cells in table.items()
             if name not in ('component', 'whole model', 'without text encoder')]
    assert sum(map(float, parts)) == pytest.approx(float(table['whole model'][3]), abs=0.05)
    assert float(table['backbone'][3]) == pytest.approx(72.73 / 100, abs=0.01)


def test_shape_takes_two_numbers_at_most(run_script, capsys):
    with pytest.raises(SystemExit):
        run_script(SCRIPT, 'configs/mini/expalign_mini.py', '--shape', '1', '2', '3')
    assert '--shape takes one or two numbers' in capsys.readouterr().err
