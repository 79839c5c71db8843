"""What the documents point to: links, sections, files, commands and their options."""

import io
import re
import runpy
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')),
    *sorted((ROOT / 'docs').glob('*.md')),
    *(ROOT / folder / 'README.md' for folder in ('configs', 'tools', 'projects/expalign/weights'))]
FENCE = re.compile(r'^```.*?^```', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'!?\[[^\]]*\]\(([^)\s]+)\)')
SCRIPT = re.compile(r'(?<![\w/-])((?:tools|demo)/[\w/-]+\.(?:py|sh))')
FILE = re.compile(r'(?<![\w/.*-])((?:configs|tests|docs|demo|projects)/[\w/.-]+\.\w+)(?![\w*{\[])')
FLAG = re.compile(r'(?<![\w-])(--?[a-zA-Z][\w-]*)')
# Names that a reader puts there.
PLACEHOLDERS = {'configs/own_data/my_data.py', 'tools/dataset_converters/NAME.py'}
# Options of these are those of another script, to which they are handed on.
LAUNCHERS = {
    'tools/dist_train.sh': 'tools/train.py', 'tools/slurm_train.sh': 'tools/train.py',
    'tools/dist_test.sh': 'tools/test.py', 'tools/slurm_test.sh': 'tools/test.py'}

# Scripts whose options depend on a task, and one of their tasks.
TASKS = {'tools/analysis_tools/benchmark.py': 'model'}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def sections(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r'^#+ +(.+?) *$', FENCE.sub('', page.read_text()), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


def commands(text: str) -> list[tuple[str, str]]:
    """Script and the rest of its command: in blocks of code, in code within a line, in tables."""
    found = []
    code = [line for block in FENCE.findall(text)
            for line in block.replace('\\\n', ' ').splitlines()]
    rest = FENCE.sub('', text)
    code += re.findall(r'^ {4}(\S.*)$', rest.replace('\\\n', ' '), re.MULTILINE)
    code += re.findall(r'`([^`]+)`', rest)
    # A row of a table that starts with a command describes its options.
    code += [' '.join(re.findall(r'`([^`]+)`', line)) for line in rest.splitlines()
             if re.match(r'\| `(python )?tools/', line)]
    for line in code:
        line = re.split(r' #|&&|;|\| (?=\w+ )', line)[0]
        parts = SCRIPT.split(line)[1:]
        found += zip(parts[::2], parts[1::2], strict=True)
    return found


@cache
def help_of(script: str, *task: str) -> str:
    """What ``--help`` says, without a new process."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(sys, 'argv', [script, *task, '--help'])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / script), run_name='__main__')
    assert not end.value.code, script
    return out.getvalue()


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(FENCE.sub('', page.read_text())):
        if re.match(r'\w+:', target):
            continue
        path, _, section = target.partition('#')
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f'{name(page)}: {target}'
        if section:
            assert section in sections(linked), f'{name(page)}: {target}'


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_files_that_are_named_exist(page):
    text = page.read_text()
    named = {match[1] for match in (*SCRIPT.finditer(text), *FILE.finditer(text))}
    named = {file for file in named - PLACEHOLDERS if '...' not in file}
    missing = sorted(file for file in named if not (ROOT / file).exists())
    assert not missing, f'{name(page)} names files that are not there'


def test_commands_take_the_options_that_are_named():
    wrong, checked = [], 0
    for page in PAGES:
        for script, rest in commands(page.read_text()):
            script = LAUNCHERS.get(script, script)
            if script in PLACEHOLDERS or not script.endswith('.py'):
                continue
            task = re.search(r'--task ([a-z_]+)', rest)
            task = () if script not in TASKS else ('--task', task[1] if task else TASKS[script])
            # Values in quotes may hold a dash.
            for flag in FLAG.findall(re.sub(r'"[^"]*"|\'[^\']*\'', '', rest)):
                checked += 1
                if not re.search(rf'(?<![\w-]){re.escape(flag)}(?![\w-])', help_of(script, *task)):
                    wrong.append(f'{name(page)}: {script} {flag}')
    assert not wrong
    assert checked > 50  # the search itself works


def test_every_page_is_linked():
    """A page that nothing links to is not found."""
    linked = {
        (page.parent / target.partition('#')[0]).resolve()
        for page in PAGES for target in LINK.findall(page.read_text()) if ':' not in target}
    lonely = [name(page) for page in PAGES if page.parent.name == 'docs' and page not in linked]
    assert not lonely


def test_every_tool_is_listed():
    page = (ROOT / 'tools' / 'README.md').read_text()
    scripts = [path for path in (ROOT / 'tools').rglob('*')
               if path.suffix in ('.py', '.sh') and not (path.parent / '__init__.py').is_file()]
    assert len(scripts) > 30
    assert [path.name for path in scripts if path.name not in page] == []


def test_the_search_sees_commands_in_blocks_lines_and_tables():
    text = ('```bash\npython tools/train.py C \\\n  --resume  # --not-this\n```\n\n'
            '    tools/dist_test.sh C CKPT 8 --out r.pkl\n\n'
            'and `python tools/test.py C --tta`.\n\n'
            '| `python tools/train.py C` | `--amp` trains in half precision |\n')
    flags = [(script, FLAG.findall(rest)) for script, rest in commands(text)]
    assert ('tools/train.py', ['--resume']) in flags
    assert ('tools/dist_test.sh', ['--out']) in flags
    assert ('tools/test.py', ['--tta']) in flags
    assert ('tools/train.py', ['--amp']) in flags
    assert not any('--not-this' in found for _, found in flags)
