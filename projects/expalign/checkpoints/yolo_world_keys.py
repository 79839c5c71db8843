"""Where each weight of a YOLO-World v2 checkpoint lives in ExpAlign.

Two sources: the YOLO-World repository's own checkpoints (mmyolo's names) and the conversions that
ultralytics publishes (``yolov8*-worldv2.pt``, layers numbered). A source name is either renamed or
left out for a stated reason; there is no third outcome.
"""

import re
from typing import NamedTuple


class Rule(NamedTuple):
    """Names that match ``pattern`` become ``target`` (a template of ``re.Match.expand``), or, with
    no target, are left out for ``reason``."""

    pattern: str
    target: str | None
    reason: str = ''


# ultralytics: number of the layer -> module here.
_LAYERS = {
    0: 'backbone.stem', 1: 'backbone.stage1.0', 2: 'backbone.stage1.1',
    3: 'backbone.stage2.0', 4: 'backbone.stage2.1', 5: 'backbone.stage3.0',
    6: 'backbone.stage3.1', 7: 'backbone.stage4.0', 8: 'backbone.stage4.1',
    9: 'backbone.stage4.2', 12: 'neck.pafpn.top_down_layers.0',
    15: 'neck.pafpn.top_down_layers.1', 16: 'neck.pafpn.downsample_layers.0',
    18: 'neck.pafpn.bottom_up_layers.0', 19: 'neck.pafpn.downsample_layers.1',
    21: 'neck.pafpn.bottom_up_layers.1',
}


def _ultralytics_rules() -> tuple[Rule, ...]:
    rules = []
    for number, module in _LAYERS.items():
        source = rf'model\.{number}\.'
        outer = ('conv1', 'conv2') if number == 9 else ('main_conv', 'final_conv')
        rules += [
            Rule(source + r'((?:conv|bn)\..+)', rf'{module}.\1'),
            Rule(source + r'cv1\.(.+)', rf'{module}.{outer[0]}.\1'),
            Rule(source + r'cv2\.(.+)', rf'{module}.{outer[1]}.\1'),
            Rule(source + r'm\.(\d+)\.cv([12])\.(.+)', rf'{module}.blocks.\1.conv\2.\3'),
            Rule(source + r'attn\.gl\.(.+)', rf'{module}.gate.guide_proj.\1'),
            Rule(source + r'attn\.proj_conv\.(.+)', rf'{module}.gate.value_conv.\1'),
            Rule(source + r'attn\.ec\.(.+)', rf'{module}.gate.embed_conv.\1'),
            Rule(source + r'attn\.(bias|scale)', rf'{module}.gate.\1'),
        ]
    head = r'model\.22\.'
    return (
        *rules,
        Rule(head + r'cv2\.(.+)', r'bbox_head.head_module.box_branches.\1'),
        Rule(head + r'cv3\.(.+)', r'neck.embed_branches.\1'),
        Rule(head + r'cv4\.(\d)\.norm\.(.+)', r'neck.embed_norms.\1.\2'),
        Rule(head + r'cv4\.(\d)\.logit_scale', r'bbox_head.head_module.logit_scales.\1'),
        Rule(head + r'cv4\.(\d)\.bias', r'bbox_head.head_module.biases.\1'),
        Rule(head + r'dfl\.conv\.weight', None, 'the constants 0..15; the head has its own'),
        Rule(head + r'(anchors|strides?)', None, 'a constant of the architecture'),
        Rule(r'clip_model\..+', None, 'the text encoder has weights of its own'),
        Rule(r'stride', None, 'a constant of the architecture'),
        Rule(r'txt_feats', None, 'text vectors are no weights; --vectors writes them to a file'),
    )


_MMYOLO_GATE = {'guide_fc': 'guide_proj', 'project_conv': 'value_conv', 'embed_conv': 'embed_conv'}

ULTRALYTICS_RULES = _ultralytics_rules()
MMYOLO_RULES = (
    Rule(r'backbone\.image_model\.(.+)', r'backbone.\1'),
    Rule(r'backbone\.text_model\..+', None, 'the text encoder has weights of its own'),
    *(Rule(rf'neck\.(.+)\.attn_block\.{theirs}\.(.+)', rf'neck.pafpn.\1.gate.{ours}.\2')
      for theirs, ours in _MMYOLO_GATE.items()),
    Rule(r'neck\.(.+)\.attn_block\.(bias|scale)', r'neck.pafpn.\1.gate.\2'),
    Rule(r'neck\.((?:top_down|bottom_up|downsample)_layers\..+)', r'neck.pafpn.\1'),
    Rule(r'bbox_head\.head_module\.reg_preds\.(.+)', r'bbox_head.head_module.box_branches.\1'),
    Rule(r'bbox_head\.head_module\.cls_preds\.(.+)', r'neck.embed_branches.\1'),
    Rule(r'bbox_head\.head_module\.cls_contrasts\.(\d)\.norm\.(.+)', r'neck.embed_norms.\1.\2'),
    Rule(r'bbox_head\.head_module\.cls_contrasts\.(\d)\.logit_scale',
         r'bbox_head.head_module.logit_scales.\1'),
    Rule(r'bbox_head\.head_module\.cls_contrasts\.(\d)\.bias',
         r'bbox_head.head_module.biases.\1'),
    Rule(r'bbox_head\.head_module\.proj', None, 'the constants 0..15; the head has its own'),
    Rule(r'embeddings', None, 'text vectors are no weights'),
)


class Renaming(NamedTuple):
    """What becomes of the names of a checkpoint.

    Attributes:
        renamed: source name -> name here.
        left_out: source name -> the reason.
        unknown: source names that no rule knows.
    """

    renamed: dict[str, str]
    left_out: dict[str, str]
    unknown: list[str]


def rename(names: list[str], rules: tuple[Rule, ...]) -> Renaming:
    """Apply the first rule that matches a whole name."""
    result = Renaming({}, {}, [])
    compiled = [(re.compile(rule.pattern), rule) for rule in rules]
    for name in names:
        for pattern, rule in compiled:
            match = pattern.fullmatch(name)
            if match and rule.target is not None:
                result.renamed[name] = match.expand(rule.target)
            elif match:
                result.left_out[name] = rule.reason
            if match:
                break
        else:
            result.unknown.append(name)
    return result
