"""The notebooks: small, executed in order, and running their cells prints what they show.

A kernel for them would be a hundred megabytes of packages; so their cells are one script, run in a
process of its own. A line that begins with ``!`` is a command.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / 'demo').glob('*.ipynb'))
LARGEST = 500_000  # bytes
MINUTES = 20
MARK = '== cell'
NOISE = re.compile(r'^.*Loads checkpoint.*\n?', re.MULTILINE)  # mmengine's log
NUMBER = re.compile(r'-?\d+(?:\.\d+)?')
# What a notebook offers and a script does not.
HEAD = """\
import subprocess, matplotlib
matplotlib.use('agg')
"""


def cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())['cells'] if cell['cell_type'] == 'code']


def shown(cell: dict) -> str:
    """What a cell printed."""
    return ''.join(''.join(output['text']) for output in cell['outputs']
                   if output['output_type'] == 'stream')


def script(path: Path) -> str:
    """The cells of a notebook as a program that prints a mark before each."""
    parts = [HEAD]
    for number, cell in enumerate(cells(path)):
        text = re.sub(
            r'^( *)!(.*)$',
            lambda line: f'{line[1]}subprocess.run({line[2]!r}, shell=True, check=True)',
            ''.join(cell['source']), flags=re.MULTILINE)
        parts.append(f'print({f"{MARK} {number}"!r}, flush=True)\n{text}\n')
    return ''.join(parts)


def test_they_are_there():
    assert [path.name for path in NOTEBOOKS] == ['first_boxes.ipynb', 'own_data.ipynb']


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.name)
def test_executed_and_small(path):
    assert path.stat().st_size < LARGEST
    assert [cell['execution_count'] for cell in cells(path)] == list(
        range(1, len(cells(path)) + 1))
    outputs = [output for cell in cells(path) for output in cell['outputs']]
    assert not [output for output in outputs if output['output_type'] == 'error']
    assert any({'image/jpeg', 'text/html'} & set(output.get('data', {}))
               for output in outputs)
    text = path.read_text()
    assert not re.search(r'/(home|root|tmp|work|Users)/', text), 'a path of one machine'
    compile(script(path), path.name, 'exec')


@pytest.mark.slow
@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.name)
def test_cells_print_what_is_shown(path, tmp_path):
    (tmp_path / 'cells.py').write_text(script(path))
    environment = os.environ | {
        'PYTHONPATH': str(ROOT / 'projects'), 'PYTHONWARNINGS': 'ignore',
        'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'}
    done = subprocess.run(
        [sys.executable, '-u', 'cells.py'], cwd=tmp_path, env=environment, capture_output=True,
        text=True, timeout=60 * MINUTES, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    printed = re.split(rf'^{MARK} \d+\n', NOISE.sub('', done.stdout), flags=re.MULTILINE)[1:]
    exact = path.name == 'first_boxes.ipynb'  # training rounds otherwise on another processor
    for number, (cell, text) in enumerate(zip(cells(path), printed, strict=True)):
        assert NUMBER.sub('#', text).strip() == NUMBER.sub('#', shown(cell)).strip(), number
        if exact:
            numbers = [[float(value) for value in NUMBER.findall(part)]
                       for part in (text, shown(cell))]
            assert numbers[0] == pytest.approx(numbers[1], abs=1.01, rel=0.02), number
