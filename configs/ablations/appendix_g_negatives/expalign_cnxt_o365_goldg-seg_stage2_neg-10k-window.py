# Appendix G, stage 2: 10,000 phrases as further negatives, those in a window of similarity
# to the positives. The quantiles are ours.
_base_ = '../../pretrain/expalign_cnxt_o365_goldg-seg_stage2.py'

load_from = 'work_dirs/expalign_cnxt_o365_goldg-seg_neg-10k-window/epoch_30.pth'
negatives = dict(
    negative_vocabulary='data/mixed_grounding/negative_vocabulary_10k.json',
    similarity_window=dict(
        text_model='openai/clip-vit-large-patch14', quantiles=(0.5, 0.999)))
stage2, stage2_last = (
    [{**step, **negatives} if step.type == 'expalign.SamplePrompts' else step for step in steps]
    for steps in (_base_.segmentation_pipelines.stage2, _base_.segmentation_pipelines.stage2_last))
train_dataloader = dict(dataset=dict(pipeline=stage2))
*other_hooks, switch_hook = _base_.custom_hooks
custom_hooks = [
    *other_hooks,
    dict(switch_hook, switch_pipeline=stage2_last),
    dict(type='expalign.SimilarityWindowHook'),
]
