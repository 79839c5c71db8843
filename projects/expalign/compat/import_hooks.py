"""The kinds of import hook that the compatibility layer uses.

Each finder answers for exactly one module name and declines every other.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType


def register(finders: Sequence[MetaPathFinder], last: bool = False) -> None:
    """Let Python ask these finders before all others, or after them; each is registered once."""
    for finder in finders:
        if finder not in sys.meta_path:
            sys.meta_path.insert(len(sys.meta_path) if last else 0, finder)


class StandInFinder:
    """Offers a file of this folder as module ``name``.

    Append it to ``sys.meta_path``: it is then asked last, and a real ``name`` always wins.
    """

    def __init__(self, name: str, filename: str) -> None:
        self.name = name
        self.origin = str(Path(__file__).with_name(filename))

    def find_spec(self,
                  name: str,
                  path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        return spec_from_file_location(name, self.origin)


class SourceHook:
    """Loads module ``name`` from where it is found anyway, but through ``loader_class``.

    Put it at the front of ``sys.meta_path``. Location, package path and submodules stay those that
    the other finders report. A module that is not a plain source file is left alone.
    """

    def __init__(self, name: str, loader_class: type[SourceFileLoader]) -> None:
        self.name = name
        self.loader_class = loader_class

    def find_spec(self,
                  name: str,
                  path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        spec = self._find_elsewhere(path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = self.loader_class(spec.loader.name, spec.loader.path)
        return spec

    def _find_elsewhere(self, path: Sequence[str] | None,
                        target: ModuleType | None) -> ModuleSpec | None:
        others = (finder for finder in sys.meta_path
                  if finder is not self and hasattr(finder, 'find_spec'))
        specs = (finder.find_spec(self.name, path, target) for finder in others)
        return next((spec for spec in specs if spec is not None), None)


class ChangeHook(SourceHook):
    """Loads module ``name`` from where it is found anyway, and calls ``change`` with it.

    Args:
        name: of the module.
        change: may be called with the module more than once.
    """

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        class ChangingLoader(SourceFileLoader):
            def exec_module(self, module: ModuleType) -> None:
                super().exec_module(module)
                change(module)

        super().__init__(name, ChangingLoader)
        self.change = change

    def change_if_imported(self) -> None:
        """Change a module that was imported before the hook existed."""
        if self.name in sys.modules:
            self.change(sys.modules[self.name])
