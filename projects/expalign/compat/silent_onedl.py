"""Lets mmdet's data sets be imported without a line on the standard output.

``mmdet.datasets`` and ``mmdet.datasets.transforms`` say "Could not import OneDL. Skipping OneDL
datasets." there, at level DEBUG but without a logger, which prints. That breaks
``VARIABLE=$(python -c ...)``. The loader leaves out that statement, and nothing else.
"""

import ast
from importlib.machinery import SourceFileLoader
from types import CodeType

MODULES = ('mmdet.datasets', 'mmdet.datasets.transforms')
_BEGINNING = 'Could not import OneDL'


class SilentLoader(SourceFileLoader):
    """Compiles the module without the statement; neither reads nor writes cached bytecode."""

    def get_code(self, fullname: str) -> CodeType:
        tree = _WithoutLine().visit(ast.parse(self.get_data(self.path), self.path))
        return compile(tree, self.path, 'exec', dont_inherit=True)


class _WithoutLine(ast.NodeTransformer):
    """Takes out calls ``print_log('Could not import OneDL...')``."""

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:  # noqa: N802  (ast's name)
        call = node.value
        if (isinstance(call, ast.Call) and getattr(call.func, 'id', '') == 'print_log'
                and call.args and isinstance(call.args[0], ast.Constant)
                and str(call.args[0].value).startswith(_BEGINNING)):
            return ast.copy_location(ast.Pass(), node)
        return node
