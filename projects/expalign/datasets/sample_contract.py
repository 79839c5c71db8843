"""The contract of records and samples of ``docs/training_data.md``, as checks for debugging."""

from numbers import Integral

import numpy as np
import torch

TEXT_KINDS = ('detection', 'grounding')


class ContractError(ValueError):
    """A record or a sample is not as the contract says."""


def _require(condition: bool, message: str, where: str) -> None:
    if not condition:
        raise ContractError(f'{where}: {message}')


def check_record(record: dict) -> None:
    """Check a record as it enters the pipeline.

    Raises:
        ContractError: naming the image and what is wrong.
    """
    where = f"record of image '{record.get('img_path')}'"
    for key, kind in (('img_path', str), ('source', str), ('text', list), ('instances', list),
                      ('height', Integral), ('width', Integral)):
        _require(isinstance(record.get(key), kind), f"{key!r} must be a {kind.__name__}, got "
                 f'{type(record.get(key)).__name__}', where)
    _require('img_id' in record, "'img_id' is missing", where)
    _require(record.get('text_kind') in TEXT_KINDS,
             f"'text_kind' must be one of {TEXT_KINDS}, got {record.get('text_kind')!r}", where)
    for entry in record['text']:
        names = [entry] if isinstance(entry, str) else entry
        _require(isinstance(names, list) and names and all(
            isinstance(name, str) and name.strip() for name in names),
            f"an entry of 'text' must be a name or a list of names, got {entry!r}", where)
    for index, instance in enumerate(record['instances']):
        label, box = instance['bbox_label'], np.asarray(instance['bbox'], dtype=float)
        _require(0 <= label < len(record['text']),
                 f"instance {index} has label {label}, 'text' {len(record['text'])} entries", where)
        _require(box.shape == (4,) and bool(np.isfinite(box).all()) and (box[2:] > box[:2]).all(),
                 f'instance {index} has the box {instance["bbox"]}', where)
    if 'true_negatives' in record:
        absent = record['true_negatives']
        _require(absent.shape == (len(record['text']),) and absent.dtype == bool,
                 "'true_negatives' must be (V,) bool", where)
        _require(not any(absent[instance['bbox_label']] for instance in record['instances']),
                 "'true_negatives' has an entry with an instance", where)


def check_sample(sample: dict, training: bool = True) -> None:
    """Check a packed sample: ``inputs`` (3, H, W) and ``data_samples``.

    Args:
        sample: as the last transform of the pipeline returns it.
        training: whether instances, ``prompt_masks`` and ``positives`` are required.

    Raises:
        ContractError: naming the image and what is wrong.
    """
    data_sample = sample['data_samples']
    meta = data_sample.metainfo
    where = f"sample of image '{meta.get('img_path', meta.get('img_id'))}'"
    needed = ['text', 'img_id'] + ['prompt_masks', 'positives', 'source'] * training
    missing = [key for key in needed if key not in meta]
    _require(not missing, f"{', '.join(missing)} missing: list the keys in 'meta_keys' of the "
             'transform that packs, after expalign.SamplePrompts', where)
    text = meta['text']
    _require(isinstance(text, (list, tuple)) and all(isinstance(name, str) for name in text),
             "'text' must be a list of K strings", where)
    inputs = sample['inputs']
    _require(inputs.ndim == 3 and inputs.shape[0] == 3,
             f"'inputs' must be (3, H, W), got {tuple(inputs.shape)}", where)
    if training:
        _check_instances(data_sample.gt_instances, len(text), tuple(inputs.shape[1:]), where)
        _check_prompts(meta, data_sample.gt_instances.labels, where)


def _check_prompts(meta: dict, labels: torch.Tensor, where: str) -> None:
    """The K prompts and their two masks."""
    text = meta['text']
    for key in ('prompt_masks', 'positives'):
        _require(len(meta[key]) == len(text),
                 f'{key!r} has {len(meta[key])} entries for {len(text)} prompts', where)
    _require(isinstance(meta['source'], str), "'source' must be a string", where)
    counted = [' '.join(name.split()).casefold()
               for name, mask in zip(text, meta['prompt_masks'], strict=True) if mask]
    _require('' not in counted, 'a prompt that counts in the loss is blank', where)
    twice = sorted({name for name in counted if counted.count(name) > 1})
    _require(not twice, f'prompts that count in the loss are there twice: {twice}', where)
    positives = np.flatnonzero(meta['positives']).tolist()
    _require(positives == torch.unique(labels).tolist(),
             f"'positives' are the prompts {positives}, the instances have the labels "
             f'{torch.unique(labels).tolist()}', where)
    _require(all(meta['prompt_masks'][k] for k in positives),
             'a positive prompt is left out of the loss', where)


def _check_instances(instances, num_prompts: int, size: tuple[int, int], where: str) -> None:
    """Boxes (n, 4), labels (n) and, where there are any, masks (n) of an image of (H, W)."""
    boxes = getattr(instances.bboxes, 'tensor', instances.bboxes)
    _require(bool(torch.isfinite(boxes).all()), 'a box is not finite', where)
    _require(bool((boxes[:, 2:] > boxes[:, :2]).all()), 'a box has no area', where)
    limits = boxes.new_tensor([size[1], size[0]])
    _require(bool((boxes[:, :2] >= -1).all() and (boxes[:, 2:] <= limits + 1).all()),
             f'a box reaches out of the image of {size}', where)
    labels = instances.labels
    _require(bool(((labels >= 0) & (labels < num_prompts)).all()),
             f'labels {labels.tolist()} do not index {num_prompts} prompts', where)
    if 'masks' in instances:
        _require('has_mask' in instances, "'masks' without 'has_mask': pack with "
                 'expalign.PackInstances', where)
        masks = instances.masks
        _require((masks.height, masks.width) == size,
                 f'masks of {(masks.height, masks.width)} on an image of {size}', where)
