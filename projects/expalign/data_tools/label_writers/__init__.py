"""Labels of many images in the forms of other tools: one module a form, each writes as it goes.

A module has ``writer(target)``, a context manager that gives a function for one image, and, where
the form cannot hold every name of a class, ``check_classes(classes)``.
"""

from importlib import import_module
from types import ModuleType

# Forms and what they are.
FORMATS = {
    'coco': 'annotations.json with scores, a link to the images',
    'yolo': 'labels/*.txt, links to the images, data.yaml',
    'odvg': 'labels.jsonl and label_map.json, which training reads',
    'cvat': 'annotations.xml of CVAT for images 1.1',
    'labelstudio': 'tasks-*.json with predictions, label_config.xml',
    'fiftyone': 'labels.json and data, which its COCO importer reads',
    'parquet': 'labels.parquet, a row an image, the damaged ones too (extra "label")',
    'jsonl': 'labels.jsonl, a row an image, the damaged ones too',
}


def format_module(name: str) -> ModuleType:
    """The module of a form."""
    return import_module(f'{__name__}.{name}')
