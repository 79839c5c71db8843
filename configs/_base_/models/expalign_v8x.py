# The model of expalign_v8s.py at YOLO-World v2-X's size.
_base_ = './expalign_v8s.py'
size = dict(widen_factor=1.25, deepen_factor=1.0)
stage_channels = [256, 512, 512]  # before widening
pyramid_channels = [int(channels * size['widen_factor']) for channels in stage_channels]

model = dict(
    backbone=dict(last_stage_out_channels=stage_channels[-1], **size),
    neck=dict(
        pafpn=dict(in_channels=stage_channels, out_channels=stage_channels, **size),
        in_channels=pyramid_channels),
    bbox_head=dict(head_module=dict(in_channels=pyramid_channels)))
