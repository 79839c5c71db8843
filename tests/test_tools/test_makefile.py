"""The demo's variables reach the program as they were written."""

import os
import subprocess

import pytest


def make_demo(*variables: str, target: str = 'demo', **env: str) -> list[str]:
    """The arguments that ``make demo`` starts the demo with; nothing is installed or run."""
    inherited = {k: v for k, v in os.environ.items() if k not in ('IMAGE', 'TEXT', 'MAKEFLAGS')}
    result = subprocess.run(
        ['make', '--no-print-directory', '--old-file=.venv/.installed', target,
         'PYTHON=printf "%s\\n"', *variables],
        env=inherited | env, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


# Then the detector is tested on the shipped photographs.
REST = ['--explain', '--out-dir', 'outputs/demo',
        'demo/test_shipped.py', '--out', 'outputs/demo']
HARD = 'a $5 "note" on it\'s; `side` & $(HOME) #1'


@pytest.mark.parametrize('from_environment', [True, False])
def test_image_and_text_are_passed_literally(from_environment):
    values = dict(IMAGE='my photos/a b.jpg', TEXT=HARD)
    lines = make_demo(**values) if from_environment else make_demo(
        *(f'{name}={value}' for name, value in values.items()))
    assert lines == ['-m', 'expalign', 'detect', 'my photos/a b.jpg', '--texts', HARD, *REST]


def test_nothing_given_leaves_the_defaults():
    image, text = 'demo/data/mini/val2017/000000160012.jpg', 'a pizza. a bottle. a person'
    assert make_demo() == ['-m', 'expalign', 'detect', image, '--texts', text, *REST]


def test_blank_text_is_not_taken_for_none():
    assert make_demo('TEXT= ')[4:] == ['--texts', '', *REST]


def test_training_demo_has_a_target_and_a_folder_of_its_own():
    assert make_demo('TEXT=a cat', target='demo-train') == [
        'demo/train_and_detect.py', '--text', 'a cat', '--out', 'outputs/demo-train']


def test_lint_checks_types_and_the_fast_tests_do_not_wait_for_them(repo_root):
    table = (repo_root / 'pyproject.toml').read_text().partition('[tool.mypy]')[2]
    for room in ('structures', 'models/layers', 'models/losses'):
        assert f'"projects/expalign/{room}"' in table
    for target, last in (('lint', 'mypy'), ('test', 'pytest')):
        commands = [line.rpartition('" ')[2] for line in make_demo(target=target) if '" ' in line]
        assert commands == ['-m ruff check .', f'-m {last}']
    assert (repo_root / '.ci/run').read_text().splitlines()[-1] == 'make test'
    assert 'make lint' in (repo_root / '.github/workflows/ci.yml').read_text()
