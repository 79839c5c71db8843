# RefCOCO, RefCOCO+ and RefCOCOg in MDETR's files: top-1 accuracy of every split. Some of them only:
# --cfg-options test_dataloader.dataset.only="[refcoco_val,refcoco_testA]"
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/expalign_cnxt.py',
    '../_base_/datasets/evaluation.py',
]
data_root = 'data/'
splits = [
    ('refcoco', 'val'), ('refcoco', 'testA'), ('refcoco', 'testB'),
    ('refcoco+', 'val'), ('refcoco+', 'testA'), ('refcoco+', 'testB'),
    ('refcocog', 'val'), ('refcocog', 'test'),
]

# The best box of every expression, however low it scores.
model = dict(
    test_cfg=dict(score_thr=0.0, max_per_prompt=1, nms_pre=1000000, max_per_img=1000000))

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
            f'{name}_{split}': dict(
                type='expalign.MDETRGroundingDataset',
                data_root=data_root,
                ann_file=f'refcoco/finetune_{name}_{split}.json',
                data_prefix=dict(img='coco/train2014/'),
                whole_caption=True)
            for name, split in splits
        },
        pipeline=test_pipeline))
test_evaluator = dict(_delete_=True, type='expalign.RefExpMetric')
