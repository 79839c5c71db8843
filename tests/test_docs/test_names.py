"""What the documents name is there: modules, registered types, variables, the command's options."""

import importlib
import re
from functools import cache

import pytest
from mmengine.registry import Registry

from expalign.cli import SCRIPTS

from .test_links import FENCE, FLAG, PAGES, ROOT, help_of, name

PACKAGE = ROOT / 'projects' / 'expalign'
MODULE = re.compile(r'(?<![\w/.-])expalign/([\w/]+(?:\.py)?)')
DOTTED = re.compile(r'(?<![\w./:])expalign((?:\.[A-Za-z_]\w*)+)')
VARIABLE = re.compile(r'\bEXPALIGN_[A-Z_]+[A-Z]\b')
COMMAND = re.compile(r'(?<![\w./-])expalign (\w+)([^`\n]*)')
SOURCES = ('projects', 'configs', 'tools', 'demo', 'tests')
KEYS = {'test_evaluator', 'test_dataloader', 'test_cfg', 'test_pipeline'}
# Ends of files and addresses, which look like modules; and the schema of results.
FILES = {'onnx', 'git', 'detections'}


@cache
def sources() -> str:
    return '\n'.join(
        path.read_text() for folder in SOURCES for path in (ROOT / folder).rglob('*.py')
        if '.mim' not in path.parts)


@cache
def is_there(dotted: str) -> bool:
    """Whether a registry has it, or it can be imported."""
    from expalign import registry
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    if '.' not in dotted and any(entry.get(f'expalign.{dotted}') for entry in registries):
        return True
    found, *rest = importlib.import_module('expalign'), *dotted.split('.')
    for part in rest:
        if not hasattr(found, part):
            try:
                importlib.import_module(f'{found.__name__}.{part}')
            except (AttributeError, ImportError):
                return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_modules_and_types(page):
    text = page.read_text()
    wrong = [f'expalign/{path}' for path in MODULE.findall(text)
             if not (PACKAGE / path).exists()]
    wrong += [f'expalign.{dotted[1:]}' for dotted in DOTTED.findall(text)
              if dotted[1:] not in FILES and not is_there(dotted[1:])]
    assert not wrong, f'{name(page)} names what is not there'


def test_variables():
    wrong = [f'{name(page)}: {variable}' for page in PAGES
             for variable in VARIABLE.findall(page.read_text()) if variable not in sources()]
    assert not wrong


def test_tests():
    """Tests that prove what a page says; ``test_evaluator`` and the like are keys of configs."""
    wrong = [f'{name(page)}: {test}' for page in PAGES
             for test in re.findall(r'`(test_\w+)`', page.read_text())
             if test not in KEYS and f'def {test}(' not in sources()]
    assert not wrong


def test_options_of_the_command():
    """In blocks and in lines; a word that is no script of its own has no options here."""
    wrong, checked = [], 0
    for page in PAGES:
        text = page.read_text()
        code = [*FENCE.findall(text), *re.findall(r'`([^`\n]+)`', FENCE.sub('', text))]
        for word, rest in COMMAND.findall('\n'.join(code).replace('\\\n', ' ')):
            if word not in SCRIPTS:
                continue
            for flag in FLAG.findall(re.sub(r'"[^"]*"|\'[^\']*\'| #.*', '', rest)):
                checked += 1
                shown = help_of(SCRIPTS[word].path)
                if not re.search(rf'(?<![\w-]){re.escape(flag)}(?![\w-])', shown):
                    wrong.append(f'{name(page)}: expalign {word} {flag}')
    assert not wrong
    assert checked


def test_the_modules_of_the_architecture():
    page = (ROOT / 'docs' / 'architecture.md').read_text()
    named = re.findall(r'`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`', page)
    assert len(named) > 10
    assert not [path for path in named if not (PACKAGE / path).exists()
                and not (ROOT / path).exists()]
