"""Packages import downwards only, lazily or not: the rooms of docs/architecture.md."""

import ast
import re
from pathlib import Path

# Lowest first. A room may import those of lines above its own.
LAYERS = (
    ('limits', 'version'),
    ('utils',),
    ('compat', 'registry', 'structures'),
    ('checkpoints', 'datasets', 'runtime', 'visualization'),
    ('models',),
    ('data_tools', 'deploy', 'engine', 'evaluation'),
    ('model_zoo',),
    ('apis', 'collect_env'),
    ('cli',),
    ('__main__', 'startup'),
)
LEVEL = {room: level for level, layer in enumerate(LAYERS) for room in layer}


def imported(path: Path, package: Path) -> set[tuple[str, int]]:
    """Dotted names below ``expalign`` that a file imports anywhere in it, with lines."""
    inside = ('expalign', *path.relative_to(package).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found |= {(alias.name, node.lineno) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(inside[:len(inside) - node.level + 1]) if node.level else []
            base += [node.module] if node.module else []
            found |= {('.'.join([*base, alias.name]), node.lineno) for alias in node.names}
    return {(name.removeprefix('expalign.'), line) for name, line in found
            if name.split('.')[0] == 'expalign'}


def modules(repo_root: Path) -> tuple[Path, list[Path]]:
    package = repo_root / 'projects' / 'expalign'
    return package, [path for path in package.rglob('*.py') if '.mim' not in path.parts]


def test_every_room_has_a_level(repo_root):
    package, paths = modules(repo_root)
    rooms = {path.relative_to(package).parts[0].removesuffix('.py') for path in paths}
    assert rooms - {'__init__'} == set(LEVEL)


def test_the_drawing_in_the_documents_is_this_one(repo_root):
    page = (repo_root / 'docs' / 'architecture.md').read_text()
    section = page.split('## Rooms')[1].split('\n## ')[0]
    (drawing,) = re.findall(r'^```\n(.*?)^```', section, re.MULTILINE | re.DOTALL)
    rows = re.split(r'^ +\|\n +v\n', drawing, flags=re.MULTILINE)
    assert [sorted(row.split()) for row in rows] == [sorted(layer) for layer in reversed(LAYERS)]
    described = re.findall(r'^\| (`.*?) \|', section, re.MULTILINE)
    assert sorted(re.findall(r'`(\w+)`', ' '.join(described))) == sorted(LEVEL)


def test_no_package_imports_one_above_it_or_beside_it(repo_root):
    package, paths = modules(repo_root)
    wrong = []
    for path in paths:
        room = path.relative_to(package).parts[0].removesuffix('.py')
        if room == '__init__':
            continue
        for name, line in imported(path, package):
            other = name.split('.')[0]
            if other != room and LEVEL.get(other, len(LAYERS)) >= LEVEL[room]:
                wrong.append(f'{path.relative_to(package)}:{line}: {name}')
    assert not wrong


def test_lazy_and_relative_imports_are_seen(tmp_path):
    (tmp_path / 'utils').mkdir()
    module = tmp_path / 'utils' / 'a.py'
    module.write_text(
        'from . import b\nfrom ..engine import launch\nimport expalign.apis.x\nimport os\n'
        'def f():\n    from expalign.models import y\n')
    assert imported(module, tmp_path) == {
        ('utils.b', 1), ('engine.launch', 2), ('apis.x', 3), ('models.y', 6)}
