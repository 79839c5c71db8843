"""Dense heads."""


from .candidates import select_candidates
from .expalign_head import ExpAlignHead
from .expalign_head_module import ExpAlignHeadModule
from .expalign_ins_head import ExpAlignInsHead, ExpAlignInsHeadModule
from .mask_decode import decode_masks

__all__ = [
    'ExpAlignHead', 'ExpAlignHeadModule', 'ExpAlignInsHead', 'ExpAlignInsHeadModule',
    'decode_masks', 'select_candidates']
