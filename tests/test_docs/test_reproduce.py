"""Every row of docs/reproduce.md has a command, which is dry-run, and whose parts are parsed."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from expalign.utils.load_config import load_config

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools/misc/reproduce.sh'
PAGE = ROOT / 'docs/reproduce.md'
ROW = re.compile(r'^\|.*`tools/misc/reproduce\.sh (\S+)` \|', re.MULTILINE)
# What the paper has: Tables 1 to 9, Figures 2 to 6, Appendices E to H.
PAPER = [*(f'table{number}' for number in range(1, 10)),
         *(f'figure{number}' for number in range(2, 7)),
         *(f'appendix-{letter}' for letter in 'efgh')]
SHELL = {'dist_train.sh': 'train.py', 'dist_test.sh': 'test.py'}


def shell(*arguments: str) -> list[str]:
    """The lines that the script prints."""
    done = subprocess.run(['bash', SCRIPT, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@cache
def rows() -> list[str]:
    return shell('list')


@cache
def commands() -> list[list[str]]:
    """All commands of all rows, each once."""
    return [shlex.split(line) for line in dict.fromkeys(shell('-n', 'all', 'log_level=ERROR'))]


@cache
def config_of(path: str):
    return load_config(path)


def test_the_page_and_the_script_have_the_same_rows():
    page = ROW.findall(PAGE.read_text())
    assert page == rows() and len(set(page)) == len(page)
    for part in PAPER:
        assert any(row.startswith(part) for row in page), part


def test_unknown_rows_are_an_error():
    done = subprocess.run(['bash', SCRIPT, '-n', 'table99'], capture_output=True, text=True)
    assert done.returncode == 2 and 'no row table99; there are: data masks' in done.stderr


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Parse a command line with the tool's own parser."""
    monkeypatch.chdir(tmp_path)

    def parse_one(tool: Path, arguments: list[str]) -> None:
        module = modules(tool)
        monkeypatch.setattr(sys, 'argv', [tool.name, *arguments])
        if hasattr(module, 'parse_args'):
            module.parse_args()

    return parse_one


@cache
def modules(tool: Path):
    spec = importlib.util.spec_from_file_location(f'{tool.stem}_of_a_row', tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_is_parsed_and_its_configs_are_read(parse, tmp_path):
    configs, lines = set(), commands()
    assert len(lines) > 80
    for tool, *arguments in lines:
        if tool == 'python':
            tool, *arguments = arguments
        tool = Path(tool)
        if tool.name in SHELL:
            # CONFIG [CHECKPOINT] PROCESSES [options]
            place = 1 if tool.name == 'dist_train.sh' else 2
            assert arguments.pop(place) == '8'
            tool = tool.with_name(SHELL[tool.name])
        assert tool.is_file() and tool.is_relative_to(ROOT)
        for argument in arguments:
            if argument.endswith('.pth'):
                Path(argument).parent.mkdir(parents=True, exist_ok=True)
                Path(argument).touch()
            elif argument.endswith('.py'):
                configs.add(argument)
        parse(tool, arguments)
    assert len(configs) > 30
    for config in configs:
        config_of(config)


def test_checkpoints_are_those_that_the_trainings_write():
    """A row tests what it, or a stage before it, has trained."""
    for row in rows():
        written = set()
        for tool, *arguments in map(shlex.split, shell('-n', row)) if row != 'data' else ():
            if tool.endswith('dist_train.sh'):
                config = config_of(arguments[0])
                start = config.get('load_from')
                assert start is None or start in written, (row, start)
                name = Path(arguments[0]).stem
                written.add(f'work_dirs/{name}/epoch_{config.train_cfg.max_epochs}.pth')
            elif tool.endswith('dist_test.sh'):
                assert arguments[1] in written, (row, arguments[1])


def test_what_converters_write_is_what_recipes_read():
    written = {argument for command in commands() for argument in command
               if argument.startswith('data/')}
    cfg = load_config(ROOT / 'configs/pretrain/expalign_cnxt_o365_goldg_refc-seg.py')
    for dataset in cfg.train_dataloader.dataset.datasets:
        assert f'{dataset.data_root}{dataset.ann_file}' in written
        if 'label_map_file' in dataset:
            assert f'{dataset.data_root}{dataset.label_map_file}' in written
    for name in ('negative_vocabulary', 'negative_vocabulary_1k', 'negative_vocabulary_10k'):
        assert f'data/mixed_grounding/{name}.json' in written


@pytest.mark.parametrize('figure', sorted((ROOT / 'tools/misc/figures').glob('*.json')),
                         ids=lambda path: path.stem)
def test_prompts_of_figures(figure):
    module = modules(ROOT / 'tools/misc/make_gallery.py')
    photographs = ROOT / 'demo/data/mini'
    sections = module.read_scenes(figure, photographs)
    images = {scene['image'] for section in sections for scene in section['scenes']}
    assert module.attribution_rows(photographs, images)
    assert json.loads(figure.read_text()) == sections
