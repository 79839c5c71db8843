# Flickr30k Entities in MDETR's files: Recall@1, 5, 10 of the captions' phrases.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt.py',
    '../_base_/datasets/evaluation.py',
]
data_root = 'data/flickr/'

# Ten boxes of every phrase, however low they score, out of enough for NMS to choose from.
model = dict(
    test_cfg=dict(score_thr=0.0, max_per_prompt=1000, nms_pre=1000000, max_per_img=1000000))

*test_steps, pack = _base_.test_pipeline
test_pipeline = [*test_steps, dict(pack, meta_keys=(*pack.meta_keys, 'instances'))]
load_image, mirrored = _base_.tta_pipeline
*stages, (pack,) = mirrored.transforms
pack = dict(pack, meta_keys=(*test_pipeline[-1]['meta_keys'], 'flip', 'flip_direction'))
tta_pipeline = [load_image, dict(mirrored, transforms=[*stages, [pack]])]
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='expalign.PromptsByImage',
        splits={
            split: dict(
                type='expalign.MDETRGroundingDataset',
                data_root=data_root,
                ann_file=f'annotations/final_flickr_separateGT_{split}.json',
                data_prefix=dict(img='images/'))
            for split in ('val', 'test')
        },
        pipeline=test_pipeline))
test_evaluator = dict(_delete_=True, type='expalign.PhraseGroundingMetric', topk=(1, 5, 10))
