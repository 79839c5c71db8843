"""Samples as a test loop hands them to metrics: prompts, annotated boxes, predictions."""

import torch


def grounded_sample(text, truth, found, **meta) -> dict:
    """A sample after prediction.

    Args:
        text: the prompts.
        truth: (label, box xyxy) of every annotated instance.
        found: (label, score, box xyxy) of every predicted one.
        meta: further keys, as ``source``.
    """
    boxes = torch.tensor([row[2] for row in found], dtype=torch.float32).reshape(-1, 4)
    return dict(
        dict(img_id=1, img_path='a.jpg', ori_shape=(100, 100)) | meta, text=list(text),
        instances=[dict(bbox=list(box), bbox_label=label, ignore_flag=0) for label, box in truth],
        pred_instances=dict(
            bboxes=boxes,
            labels=torch.tensor([row[0] for row in found], dtype=torch.long),
            scores=torch.tensor([row[1] for row in found], dtype=torch.float32)))


def evaluate(metric, samples) -> dict[str, float]:
    """Run a metric over samples, one batch."""
    metric.process({}, samples)
    return metric.evaluate(size=len(samples))
