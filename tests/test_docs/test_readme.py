"""The commands and the code of README.md, run as a reader would run them."""

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


def blocks(language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The work folder of the README's first training, cut to one epoch."""
    return tmp_path_factory.mktemp('work_dirs') / 'expalign_mini'


def arguments(script: str) -> list[str]:
    """The arguments of the README's call of a script, own data aside."""
    (line,) = [line for block in blocks('bash') for line in block.splitlines()
               if line.startswith(f'python {script} ') and 'my_data' not in line]
    return shlex.split(line)[2:]


def test_train_and_test_commands(run_script, trained):
    run_script('tools/train.py', *arguments('tools/train.py'), '--work-dir', trained,
               '--cfg-options', *SHORT)
    config, weights = arguments('tools/test.py')
    assert weights == 'work_dirs/expalign_mini/epoch_60.pth'
    run_script('tools/test.py', config, trained / 'epoch_1.pth', '--work-dir', trained)


def test_python_code(trained, tmp_path, capsys):
    code = next(block for block in blocks('python') if 'init_detector' in block)
    code = code.replace('work_dirs/expalign_mini/epoch_60.pth', str(trained / 'epoch_1.pth'))
    code = code.replace('outputs/inferencer', str(tmp_path))
    exec(compile(code, 'README.md', 'exec'), {})
    assert (tmp_path / 'vis' / '000000442450.jpg').is_file()


def test_own_data_commands(run_script, tmp_path):
    """Another data set in the layout that README.md shows, through its three commands."""
    own = tmp_path / 'own'
    mini = ROOT / 'demo' / 'data' / 'mini'
    (own / 'annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        shutil.copy(mini / f'annotations/instances_{split}2017.json',
                    own / f'annotations/{split}.json')
        (own / split).symlink_to(mini / f'{split}2017')
    copy, browse, train = (shlex.split(line) for line in next(
        block for block in blocks('bash') if 'my_data' in block).splitlines())
    # As a reader does: copy the config, then edit its path.
    source, config = ROOT / copy[1], tmp_path / 'my_data.py'
    base = source.parent / 'expalign_mini.py'
    text = source.read_text().replace("'data/own/'", repr(f'{own}/'))
    config.write_text(text.replace("'./expalign_mini.py'", repr(str(base))))
    run_script(browse[1], config, '--output-dir', tmp_path / 'browse', '--num', 2)
    assert len(list((tmp_path / 'browse').rglob('*.jpg'))) == 2
    run_script(train[1], config, '--work-dir', tmp_path / 'work', '--cfg-options', *SHORT)
    assert (tmp_path / 'work' / 'epoch_1.pth').is_file()


def test_make_targets_exist():
    for line in (line for block in blocks('bash') for line in block.splitlines()):
        if line.startswith('make'):
            subprocess.run(['make', '--dry-run', *shlex.split(line)[1:]], cwd=ROOT, check=True,
                           capture_output=True)
