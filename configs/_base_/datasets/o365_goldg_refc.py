# The training sets of the paper, and the pipelines of both stages without and with masks. COCO
# val2017 is for validation. A config picks from the names that are defined here. Images that are
# evaluated on are left out of training (`leakage`); image_data.json is Visual Genome's.
_base_ = './coco_detection.py'

# Phrases that occur 100 times or more in the grounding data, as further negatives; written by
# tools/dataset_converters/build_negative_vocabulary.py.
negative_vocabulary = 'data/mixed_grounding/negative_vocabulary.json'

objects365 = dict(
    type='expalign.Objects365V1Dataset',
    data_root='data/Objects365v1/',
    ann_file='annotations/objects365_train.json',
    data_prefix=dict(img='train/'),
    filter_cfg=dict(filter_empty_gt=False, min_size=32))
flickr30k = dict(
    type='expalign.MDETRGroundingDataset',
    data_root='data/flickr/',
    ann_file='annotations/final_flickr_separateGT_train.json',
    data_prefix=dict(img='images/'))
gqa = dict(
    type='expalign.MDETRGroundingDataset',
    data_root='data/mixed_grounding/',
    ann_file='annotations/final_mixed_train_no_coco.json',
    data_prefix=dict(img='gqa/images/'),
    leakage=dict(
        type='coco', vg_image_data='data/mixed_grounding/annotations/image_data.json'))
referring_splits = {
    'refcoco': ('val', 'testA', 'testB'),
    'refcoco+': ('val', 'testA', 'testB'),
    'refcocog': ('val', 'test'),
}
referring = [
    dict(
        type='expalign.MDETRGroundingDataset',
        data_root='data/',
        ann_file=f'refcoco/finetune_{name}_train.json',
        data_prefix=dict(img='coco/train2014/'),
        whole_caption=True,
        leakage=dict(
            type='refcoco',
            coco_val='data/coco/annotations/instances_val2017.json',
            splits=[f'data/refcoco/finetune_{other}_{split}.json'
                    for other, splits in referring_splits.items() for split in splits],
            lvis_val='data/lvis/lvis_v1_val.json'))
    for name in referring_splits]

o365 = [objects365]
o365_goldg = [objects365, flickr30k, gqa]
o365_goldg_refc = [*o365_goldg, *referring]

# The same with masks by SAM 2.1, as lines in ODVG's form (docs/reproduce.md): converters write
# masks/*.jsonl from the files above, and tools/dataset_converters/generate_sam_masks.py adds masks.
objects365_masks = dict(
    type='expalign.ODVGDataset',
    source='objects365',
    data_root='data/Objects365v1/',
    ann_file='masks/objects365_train.jsonl',
    label_map_file='masks/objects365_train.label_map.json',
    data_prefix=dict(img='train/'),
    leakage='coco',
    filter_cfg=dict(filter_empty_gt=False, min_size=32))
flickr30k_masks = dict(
    type='expalign.ODVGDataset',
    data_root='data/flickr/',
    ann_file='masks/flickr_train.jsonl',
    data_prefix=dict(img='images/'))
gqa_masks = dict(
    type='expalign.ODVGDataset',
    data_root='data/mixed_grounding/',
    ann_file='masks/gqa_train.jsonl',
    data_prefix=dict(img='gqa/images/'))
referring_masks = [
    dict(
        type='expalign.ODVGDataset',
        data_root='data/',
        ann_file=f'refcoco/masks/{name}_train.jsonl',
        data_prefix=dict(img='coco/train2014/'),
        leakage=captions['leakage'])
    for name, captions in zip(referring_splits, referring, strict=True)]

o365_masks = [objects365_masks]
o365_goldg_masks = [objects365_masks, flickr30k_masks, gqa_masks]
o365_goldg_refc_masks = [*o365_goldg_masks, *referring_masks]


def changed(pipeline, changes):
    """The steps of a pipeline with other settings, by the name of a type without its scope."""
    return [{**step, **changes.get(step['type'].split('.')[-1], {})} for step in pipeline]


def two_stages(mosaic, letterbox):
    """Pipelines by name, from those of stage 1 with mosaic and, for the last epochs, without."""
    half = {  # of the strength of stage 1
        'YOLOv5HSVRandomAug': dict(hue_delta=0.0075, saturation_delta=0.35, value_delta=0.2),
        'RandomAffine': dict(max_translate_ratio=0.05, scaling_ratio_range=(0.75, 1.25)),
        'RandomFlip': dict(prob=0.25),
    }
    mosaic, letterbox = (
        changed(steps, {'SamplePrompts': dict(negative_vocabulary=negative_vocabulary)})
        for steps in (mosaic, letterbox))
    mosaic_half, letterbox_half = changed(mosaic, half), changed(letterbox, half)
    # Both begin with the loading steps and end with the same steps after the affine transform.
    loading = len(pre_transform)
    last = len(_base_.last_transform)
    either = dict(
        type='mmengine.RandomChoice',
        transforms=[mosaic_half[loading:-last], letterbox_half[loading:-last]],
        prob=[0.5, 0.5])
    return dict(
        stage1=mosaic,
        stage1_last=letterbox,
        stage2=[*mosaic_half[:loading], either, *mosaic_half[-last:]],
        stage2_last=letterbox_half,
        stage2_noaug=[
            step for step in letterbox_half
            if step['type'].split('.')[-1] not in ('YOLOv5HSVRandomAug', 'RandomFlip')])


mask_types = {'LoadAnnotations': dict(type='expalign.LoadInstances')}
pre_transform = changed(_base_.pre_transform, mask_types)
detection_pipelines = two_stages(_base_.train_pipeline, _base_.train_pipeline_stage2)
segmentation_pipelines = two_stages(*(
    changed(steps, {**mask_types, 'Mosaic': dict(pre_transform=pre_transform)})
    for steps in (_base_.train_pipeline, _base_.train_pipeline_stage2)))

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='expalign.MixtureDataset',
        datasets=o365_goldg,
        pipeline=detection_pipelines['stage1']))
