"""The commands of README.md and of the pages behind it, run as a reader would run them."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()
SHORT = [
    'train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1']
FIRST_LINES = 60


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', text, re.MULTILINE | re.DOTALL)


def test_the_first_own_result_is_near_the_top():
    """Install, boxes by the command and in Python, own data: before a reader has to scroll on."""
    top = '\n'.join(README.splitlines()[:FIRST_LINES])
    assert re.findall(r'^## (.*)', top, re.MULTILINE)[:4] == [
        'Install', 'First boxes', 'Your own data', 'Where to read on']
    assert 'expalign detect photo.jpg' in top
    (code,) = blocks('python', top)
    assert len(code.splitlines()) <= 5


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The work folder of the README's first training, cut to one epoch."""
    return tmp_path_factory.mktemp('work_dirs') / 'expalign_mini'


def arguments(script: str, config: str) -> list[str]:
    """The arguments of the README's call of a script with a config."""
    (line,) = [line for block in blocks('bash') for line in block.splitlines()
               if line.startswith(f'python {script} ') and config in line]
    return shlex.split(line)[2:]


def test_train_and_test_commands(run_script, trained):
    run_script('tools/train.py', *arguments('tools/train.py', 'expalign_mini.py'),
               '--work-dir', trained, '--cfg-options', *SHORT)
    config, weights = arguments('tools/test.py', 'expalign_mini.py')
    assert weights == 'work_dirs/expalign_mini/epoch_60.pth'
    run_script('tools/test.py', config, trained / 'epoch_1.pth', '--work-dir', trained)


def test_python_code_of_mmdet(trained, tmp_path):
    """With trained weights; test_code_blocks.py runs it with others."""
    page = (ROOT / 'docs' / 'compatibility.md').read_text()
    code = next(block for block in blocks('python', page) if 'init_detector(config' in block)
    code = code.replace('work_dirs/expalign_mini/epoch_60.pth', str(trained / 'epoch_1.pth'))
    code = code.replace('outputs/inferencer', str(tmp_path))
    exec(compile(code, 'compatibility.md', 'exec'), {})
    assert (tmp_path / 'vis' / '000000442450.jpg').is_file()


def test_commands_of_a_config_for_own_data(run_script, tmp_path):
    """Another data set in the layout of own_data.md, with a copy of the smallest config."""
    own = tmp_path / 'own'
    mini = ROOT / 'demo' / 'data' / 'mini'
    (own / 'annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        shutil.copy(mini / f'annotations/instances_{split}2017.json',
                    own / f'annotations/{split}.json')
        (own / split).symlink_to(mini / f'{split}2017')
    page = (ROOT / 'docs' / 'own_data.md').read_text()
    copy, browse, train = (shlex.split(line) for line in next(
        block for block in blocks('bash', page) if 'my_data' in block).splitlines())
    # As a reader does: copy the config, then edit its path.
    source, config = ROOT / copy[1], tmp_path / 'my_data.py'
    source = source.with_name('expalign_mini_own-data.py')
    base = ROOT / 'configs/mini/expalign_mini.py'
    text = source.read_text().replace("'data/own/'", repr(f'{own}/'))
    config.write_text(text.replace("'../mini/expalign_mini.py'", repr(str(base))))
    run_script(browse[1], config, '--output-dir', tmp_path / 'browse', '--num', 2)
    assert len(list((tmp_path / 'browse').rglob('*.jpg'))) == 2
    run_script(train[1], config, '--work-dir', tmp_path / 'work', '--cfg-options', *SHORT)
    assert (tmp_path / 'work' / 'epoch_1.pth').is_file()


def test_make_targets_exist():
    for line in (line for block in blocks('bash') for line in block.splitlines()):
        if line.startswith('make'):
            subprocess.run(['make', '--dry-run', *shlex.split(line, comments=True)[1:]], cwd=ROOT,
                           check=True, capture_output=True)
