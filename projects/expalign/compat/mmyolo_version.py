"""Lets mmyolo 0.6.0 accept mmcv 2.1 and later.

mmyolo has had no release since mmcv 2.0 and asserts ``mmcv.__version__ < 2.1.0`` when it is
imported. Only that number is in the way. The loader raises it in the one assignment that states it
while the module's source is compiled; mmcv's version and every other check stay as they are.
"""

import ast
from importlib.machinery import SourceFileLoader
from types import CodeType

_BOUND = 'mmcv_maximum_version'
_STATED = '2.1.0'
_RELAXED = '3.0.0'


class RelaxedVersionLoader(SourceFileLoader):
    """Compiles the module with the relaxed bound; neither reads nor writes cached bytecode."""

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        for node in tree.body:
            if _states_the_bound(node):
                node.value.value = _RELAXED
        return compile(tree, self.path, 'exec', dont_inherit=True)


def _states_the_bound(node: ast.stmt) -> bool:
    return (isinstance(node, ast.Assign) and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name) and node.targets[0].id == _BOUND
            and isinstance(node.value, ast.Constant) and node.value.value == _STATED)
