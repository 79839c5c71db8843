"""Reading a config file for the tools: overrides, default work folder, honest import errors."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from expalign.utils.own_data_recipe import SETTINGS, follow_settings

from .model_table import find


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Read a config and merge command-line overrides into it.

    Args:
        path: the config file, or the name of a model (see :mod:`expalign.utils.model_table`).
        options: overrides by dotted key, as ``mmengine.DictAction`` yields them.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: a module of the config's ``custom_imports`` fails to import. mmengine reports
            this as a search path that is incomplete; here the text starts with the true cause.
    """
    if not Path(path).is_file():
        model = find(str(path))
        if model is None:
            raise FileNotFoundError(
                f'config file {path} does not exist, and no model has this name')
        path = model.config
    try:
        cfg = Config.fromfile(path)
    except ImportError as error:
        cause = _import_failure(error)
        if cause is None:
            raise
        raise ImportError(
            f'{path}: {error.__cause__} (named in custom_imports), because of '
            f'{type(cause).__name__}: {cause}') from cause
    if options:
        cfg.merge_from_dict(options)
    if all(name in cfg for name in SETTINGS):
        follow_settings(cfg)
        # What is set by name stays so.
        cfg.merge_from_dict(options or {})
    return cfg


def change_settings(cfg: Config, options: dict[str, Any]) -> None:
    """Set settings by their dotted names.

    Raises:
        ValueError: the config has nothing that a name begins with.
    """
    unknown = [name for name in options if name.partition('.')[0] not in cfg]
    if unknown:
        raise ValueError(f'the config has no {unknown[0]!r}: its settings begin with '
                         f'{", ".join(sorted(cfg.keys()))}')
    cfg.merge_from_dict(options)


def config_files(path: str | Path) -> list[Path]:
    """A config file and those that it is built upon: what must not be replaced."""
    path = Path(path)
    if not path.is_file():
        return []
    bases = Config._get_base_files(str(path)) if path.suffix == '.py' else []
    # A base in another package has a name of its own, which is no path beside this file.
    files = [path.parent / base for base in bases if '::' not in base and '://' not in base]
    return [path, *(found for file in files for found in config_files(file))]


def set_work_dir(cfg: Config, work_dir: str | None, config_path: str | Path) -> None:
    """Decide where results go: the command line, else the config, else its name in work_dirs/."""
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(config_path).stem)


def _import_failure(error: ImportError) -> BaseException | None:
    """The error inside a custom import, or None where ``error`` is not about one.

    mmengine raises "Failed to import custom modules" from "Failed to import NAME", which was
    raised while the real error was being handled.
    """
    wrapper = error.__cause__
    return wrapper.__context__ if isinstance(wrapper, ImportError) else None
