# Appendix G, stage 1: 1,000 phrases as further negatives, drawn at random.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg.py'

negatives = dict(negative_vocabulary='data/mixed_grounding/negative_vocabulary_1k.json')
stage1, stage1_last = (
    [{**step, **negatives} if step.type == 'expalign.SamplePrompts' else step for step in steps]
    for steps in (_base_.segmentation_pipelines.stage1, _base_.segmentation_pipelines.stage1_last))
train_dataloader = dict(dataset=dict(pipeline=stage1))
*other_hooks, switch_hook = _base_.custom_hooks
custom_hooks = [*other_hooks, dict(switch_hook, switch_pipeline=stage1_last)]
