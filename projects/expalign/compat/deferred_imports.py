"""Lets mmdet and mmengine be imported without packages that almost nobody's model uses.

Plots of tracking, lanes, Gaussian processes and sharded optimizers import matplotlib's pyplot,
imgaug with scipy.stats, scikit-learn with pandas, and most of torch.distributed: a third of the
time to a first box. The loader puts a name that imports its package when it is first used in the
place of these statements, and changes nothing else.
"""

import ast
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from types import CodeType
from typing import Any

# Module -> packages whose imports wait.
MODULES = {
    'mmdet.datasets.transforms.generate_line': ('imgaug',),
    'mmdet.models.dense_heads.clr_head.clr_head': ('matplotlib',),
    'mmdet.models.dense_heads.paa_head': ('sklearn',),
    'mmdet.models.task_modules.tracking.interpolation': ('sklearn',),
    'mmdet.utils.mot_error_visualize': ('matplotlib', 'seaborn'),
    'mmdet.visualization.local_visualizer': ('matplotlib',),
    'mmengine.optim.optimizer.zero_optimizer': ('torch.distributed.optim',)}


class Deferred:
    """A module, or a name of one, that is imported when it is first used.

    Args:
        module: dotted name.
        name: of the module; ``''``: the module itself.
    """

    def __init__(self, module: str, name: str = '') -> None:
        self._place = module, name

    def _load(self) -> Any:
        module, name = self._place
        found = import_module(module)
        return getattr(found, name) if name else found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._load()(*args, **kwargs)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._load())

    def __mro_entries__(self, bases: tuple) -> tuple[type]:
        """The base of a class: one that becomes the real one with the first instance."""
        load = self._load

        class Waiting:
            def __new__(cls, *args: Any, **kwargs: Any) -> Any:
                for heir in Waiting.__subclasses__():
                    heir.__bases__ = tuple(
                        load() if base is Waiting else base for base in heir.__bases__)
                return cls.__new__(cls)

        return (Waiting,)


class DeferringLoader(SourceFileLoader):
    """Compiles a module of ``MODULES`` with deferred imports; keeps no bytecode."""

    def get_code(self, fullname: str) -> CodeType:
        tree = _Deferring(MODULES[fullname]).visit(ast.parse(self.get_data(self.path), self.path))
        ast.fix_missing_locations(tree)
        return compile(tree, self.path, 'exec', dont_inherit=True)


class _Deferring(ast.NodeTransformer):
    """Replaces imports at the top of a module by assignments of :class:`Deferred`."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:  # noqa: N802  (ast's name)
        return node

    def visit_Import(self, node: ast.Import) -> ast.stmt | list[ast.stmt]:  # noqa: N802
        if not all(self._waits(alias.name) and (alias.asname or '.' not in alias.name)
                   for alias in node.names):
            return node
        return [_assignment(alias.asname or alias.name, alias.name, '', node)
                for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | list[ast.stmt]:  # noqa: N802
        if node.level or not self._waits(node.module or ''):
            return node
        return [_assignment(alias.asname or alias.name, node.module, alias.name, node)
                for alias in node.names]

    def _waits(self, module: str) -> bool:
        """Whether a module is of the packages, and is there: a missing one is missed at once."""
        return find_spec(module.split('.')[0]) is not None and any(
            module == package or module.startswith(f'{package}.') for package in self.packages)


def _assignment(target: str, module: str, name: str, place: ast.stmt) -> ast.stmt:
    statement = ast.parse(
        f'{target} = __import__({__name__!r}, fromlist=["Deferred"]).Deferred({module!r}, {name!r})'
    ).body[0]
    return ast.copy_location(statement, place)
