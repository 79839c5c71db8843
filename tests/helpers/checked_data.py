"""Data and configs for the tests of tools/check_dataset.py."""

from .annotations import coco_content, write_image, write_json

BOX = [10, 10, 20, 20]
TRIANGLE = [[10, 10, 30, 10, 30, 30]]


def write_config(path, dataset, split='train'):
    """A config with nothing but a data set."""
    path.write_text(
        "custom_imports = dict(imports=['expalign'])\n"
        f"default_scope = 'mmdet'\n{split}_dataloader = dict(dataset={dataset!r})\n")
    return path


def coco_dataset(root, ann_file='coco.json', **more):
    return dict(type='expalign.TextCocoDataset', data_root=str(root), ann_file=ann_file,
                data_prefix=dict(img='images/'), pipeline=[], **more)


def check(run_script, capsys, *arguments):
    """Run tools/check_dataset.py; returns its exit status and what it printed."""
    try:
        run_script('tools/check_dataset.py', *arguments)
        status = 0
    except SystemExit as stop:
        status = stop.code
    return status, capsys.readouterr().out


def clean_folder(root):
    """Two images with a box each, one with a mask."""
    for i in range(2):
        write_image(root / 'images' / f'{i}.jpg', seed=i)
    content = coco_content(
        [{'id': i, 'file_name': f'{i}.jpg'} for i in range(2)],
        [{'image_id': 0, 'category_id': 10, 'bbox': BOX, 'segmentation': TRIANGLE},
         {'image_id': 1, 'category_id': 20, 'bbox': BOX}], ['cat', 'dog'])
    write_json(root / 'coco.json', content)
    return content
