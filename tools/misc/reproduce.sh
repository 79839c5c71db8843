#!/usr/bin/env bash
# The rows of the paper's tables: from the files in data/ to the printed row (docs/reproduce.md).
#   tools/misc/reproduce.sh [-n] ROW [KEY=VALUE ...]
# -n prints the commands and runs none; KEY=VALUE go to --cfg-options. What is there is not made
# again: masks, checkpoints. GPUS (8) is the number of GPUs, SAM the model for masks, PYTHON the
# interpreter. "list" names the rows, "all" is every one of them.
set -euo pipefail

ROWS=(
  data masks table1-o365 table1-goldg table1-refc table2
  table3-probe table3-probe-last table3-full table3-scratch table3-yolov8l-scratch
  table4-o365 table4-o365-noaug table4-goldg table4-goldg-noaug table4-refc table4-refc-noaug
  table5-expectation table5-mean table5-eot
  table6-000-000 table6-050-000 table6-000-100 table6-050-050 table6-050-100 table6-100-050
  table6-100-100 table7-yolov8l table7-unfrozen table7-frozen table8 table9
  appendix-e appendix-f appendix-g-none appendix-g-1k appendix-g-10k appendix-g-1k-window
  appendix-g-10k-window appendix-h figure2 figure3 figure4 figure5 figure6)
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON=${PYTHON:-python}
GPUS=${GPUS:-8}
SAM=${SAM:-facebook/sam2.1-hiera-large}
REFERRING=(refcoco refcoco+ refcocog)
dry=
options=()

run() {
  printf '%q ' "$@"; echo
  [ -n "$dry" ] || "$@"
}

# Unless the file is there: run a command that writes it.
make_file() {
  local file=$1; shift
  if [ -n "$dry" ] || [ ! -s "$file" ]; then run "$@"; fi
}

tool() { echo "$ROOT/tools/$1"; }

convert() { local name=$1; shift; run "$PYTHON" "$(tool "dataset_converters/$name.py")" "$@"; }

data() {
  local held_out=() name split
  for name in "${REFERRING[@]}"; do
    for split in val testA testB test; do
      # RefCOCOg has no testA and testB, the others have no test.
      case $name-$split in refcocog-test[AB] | refcoco-test | refcoco+-test) continue ;; esac
      held_out+=("data/refcoco/finetune_${name}_$split.json")
    done
  done
  make_file data/Objects365v1/odvg/objects365_train.jsonl \
    "$PYTHON" "$(tool dataset_converters/coco2odvg.py)" \
    data/Objects365v1/annotations/objects365_train.json \
    data/Objects365v1/odvg/objects365_train.jsonl \
    --label-map data/Objects365v1/masks/objects365_train.label_map.json
  make_file data/flickr/odvg/flickr_train.jsonl \
    "$PYTHON" "$(tool dataset_converters/goldg2odvg.py)" \
    data/flickr/annotations/final_flickr_separateGT_train.json data/flickr/odvg/flickr_train.jsonl
  make_file data/mixed_grounding/odvg/gqa_train.jsonl \
    "$PYTHON" "$(tool dataset_converters/goldg2odvg.py)" \
    data/mixed_grounding/annotations/final_mixed_train_no_coco.json \
    data/mixed_grounding/odvg/gqa_train.jsonl \
    --vg-image-data data/mixed_grounding/annotations/image_data.json
  for name in "${REFERRING[@]}"; do
    make_file "data/refcoco/odvg/${name}_train.jsonl" \
      "$PYTHON" "$(tool dataset_converters/refcoco2odvg.py)" \
      "data/refcoco/finetune_${name}_train.json" "data/refcoco/odvg/${name}_train.jsonl" \
      --coco-val data/coco/annotations/instances_val2017.json \
      --lvis-val data/lvis/lvis_v1_val.json --eval-splits "${held_out[@]}"
  done
  make_file data/mixed_grounding/negative_vocabulary.json \
    "$PYTHON" "$(tool dataset_converters/build_negative_vocabulary.py)" \
    data/mixed_grounding/negative_vocabulary.json \
    data/flickr/annotations/final_flickr_separateGT_train.json \
    data/mixed_grounding/annotations/final_mixed_train_no_coco.json
  make_file data/lvis/lvis_v1_minival.json "$PYTHON" \
    "$(tool dataset_converters/lvis_minival.py)" data/lvis/lvis_v1_val.json \
    data/lvis/lvis_v1_minival.json
}

sam() {  # FOLDER NAME IMAGES
  make_file "data/$1/masks/$2_train.jsonl" \
    "$PYTHON" "$(tool dataset_converters/generate_sam_masks.py)" "data/$1/odvg/$2_train.jsonl" \
    "data/$1/masks/$2_train.jsonl" --image-root "data/$3" --model "$SAM" --device cuda \
    --num-processes "$GPUS"
}

masks() {
  local name
  sam Objects365v1 objects365 Objects365v1/train
  sam flickr flickr flickr/images
  sam mixed_grounding gqa mixed_grounding/gqa/images
  for name in "${REFERRING[@]}"; do sam refcoco "$name" coco/train2014; done
}

vocabulary() {  # SIZE, of Appendix G: phrases at random
  make_file "data/mixed_grounding/negative_vocabulary_$1.json" \
    "$PYTHON" "$(tool dataset_converters/build_negative_vocabulary.py)" \
    "data/mixed_grounding/negative_vocabulary_$1.json" \
    data/flickr/annotations/final_flickr_separateGT_train.json \
    data/mixed_grounding/annotations/final_mixed_train_no_coco.json \
    --min-count 1 --random "${1/k/000}"
}

cfg_options() { [ $# -eq 0 ] || echo --cfg-options "$@"; }

train() {  # CONFIG EPOCHS: its last checkpoint is work_dirs/NAME/epoch_EPOCHS.pth
  local name=${1##*/}
  # shellcheck disable=SC2046
  make_file "work_dirs/$name/epoch_$2.pth" "$(tool dist_train.sh)" "$ROOT/configs/$1.py" "$GPUS" \
    --amp --resume $(cfg_options "${options[@]}")
}

evaluate() {  # ROW CHECKPOINT CONFIG...
  local row=$1 checkpoint=$2 config what; shift 2
  for config in "$@"; do
    case $config in *_minival) what=minival ;; lvis/*) what=val ;; *) what=${config%%/*} ;; esac
    # shellcheck disable=SC2046
    run "$(tool dist_test.sh)" "$ROOT/configs/$config.py" "$checkpoint" "$GPUS" \
      --work-dir "work_dirs/reproduce/$row/$what" --table text \
      $(cfg_options "${options[@]}")
  done
  run "$PYTHON" "$(tool analysis_tools/paper_table.py)" "work_dirs/reproduce/$row"
}

two_stages() {  # STAGE1 STAGE2
  train "$1" 30
  train "$2" 20
  checkpoint=work_dirs/${2##*/}/epoch_20.pth
}

SEG=lvis/expalign_cnxt-seg_lvis
MINIVAL=${SEG}_minival
PRETRAIN=pretrain/expalign_cnxt
G=ablations/appendix_g_negatives/expalign_cnxt_o365_goldg-seg
TABLE4=ablations/table4_noaug/expalign_cnxt
TABLE5=ablations/table5_pooling/expalign_cnxt
TABLE6=ablations/table6_consistency/expalign_cnxt_o365_goldg-seg_stage2
TABLE7=ablations/table7_backbone/expalign

pretrained() {  # DATA: both stages on o365, o365_goldg or o365_goldg_refc
  two_stages "${PRETRAIN}_$1-seg" "${PRETRAIN}_$1-seg_stage2"
}

of_row() {
  local row=$1 lambdas kind
  case $row in
    data) data ;;
    masks) masks ;;
    table1-o365)
      pretrained o365
      evaluate "$row" "$checkpoint" "$MINIVAL" "${SEG}_val" odinw/expalign_cnxt_odinw35 ;;
    table1-goldg)
      pretrained o365_goldg
      evaluate "$row" "$checkpoint" "$MINIVAL" "${SEG}_val" odinw/expalign_cnxt_odinw35 ;;
    table1-refc)
      pretrained o365_goldg_refc
      evaluate "$row" "$checkpoint" "$MINIVAL" "${SEG}_val" odinw/expalign_cnxt_odinw35 ;;
    table2) pretrained o365_goldg; evaluate "$row" "$checkpoint" "${SEG}_val" ;;
    table3-probe | table3-probe-last | table3-full)
      pretrained o365_goldg
      kind=coco/expalign_cnxt_coco-seg_${row#table3-}
      if [ "$row" = table3-full ]; then epochs=80; else epochs=10; fi
      train "$kind" "$epochs"
      evaluate "$row" "work_dirs/${kind##*/}/epoch_$epochs.pth" "$kind" ;;
    table3-scratch)
      train coco/expalign_cnxt_coco-seg_scratch 80
      evaluate "$row" work_dirs/expalign_cnxt_coco-seg_scratch/epoch_80.pth \
        coco/expalign_cnxt_coco-seg_scratch ;;
    table3-yolov8l-scratch)
      train coco/expalign_yolov8l_coco-seg_scratch 500
      evaluate "$row" work_dirs/expalign_yolov8l_coco-seg_scratch/epoch_500.pth \
        coco/expalign_yolov8l_coco-seg_scratch ;;
    table4-o365) pretrained o365; evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table4-goldg) pretrained o365_goldg; evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table4-refc) pretrained o365_goldg_refc; evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table4-o365-noaug)
      two_stages "${PRETRAIN}_o365-seg" "${TABLE4}_o365-seg_stage2_noaug"
      evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table4-goldg-noaug)
      two_stages "${PRETRAIN}_o365_goldg-seg" "${TABLE4}_o365_goldg-seg_stage2_noaug"
      evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table4-refc-noaug)
      two_stages "${PRETRAIN}_o365_goldg_refc-seg" "${TABLE4}_o365_goldg_refc-seg_stage2_noaug"
      evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table5-expectation) pretrained o365_goldg_refc; evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table5-mean | table5-eot)
      kind=${row#table5-}
      two_stages "$TABLE5-${kind}_o365_goldg_refc-seg" \
        "$TABLE5-${kind}_o365_goldg_refc-seg_stage2"
      evaluate "$row" "$checkpoint" "lvis/expalign_cnxt-$kind-seg_lvis_minival" ;;
    table6-050-100 | table7-frozen)
      pretrained o365_goldg; evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table6-*)
      lambdas=${row#table6-}
      two_stages "${PRETRAIN}_o365_goldg-seg" "${TABLE6}_sem${lambdas%-*}-geo${lambdas#*-}"
      evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table7-yolov8l)
      two_stages "${TABLE7}_yolov8l_o365_goldg-seg" "${TABLE7}_yolov8l_o365_goldg-seg_stage2"
      evaluate "$row" "$checkpoint" lvis/expalign_yolov8l-seg_lvis_minival ;;
    table7-unfrozen)
      two_stages "${TABLE7}_cnxt-unfrozen_o365_goldg-seg" \
        "${TABLE7}_cnxt-unfrozen_o365_goldg-seg_stage2"
      evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    table8)
      pretrained o365_goldg_refc
      evaluate "$row" "$checkpoint" refcoco/expalign_cnxt_refcoco \
        flickr30k/expalign_cnxt_flickr30k ;;
    table9)
      run "$PYTHON" "$(tool analysis_tools/print_config.py)" "$ROOT/configs/${PRETRAIN}_o365_goldg-seg.py"
      run "$PYTHON" "$(tool analysis_tools/print_config.py)" \
        "$ROOT/configs/${PRETRAIN}_o365_goldg-seg_stage2.py" ;;
    appendix-e)
      run "$PYTHON" "$(tool analysis_tools/get_flops.py)" "$ROOT/configs/${PRETRAIN}_o365_goldg-seg.py" ;;
    appendix-f)
      run "$PYTHON" "$(tool analysis_tools/benchmark.py)" --task eah ;;
    appendix-g-*)
      kind=${row#appendix-g-}
      [ "$kind" = none ] || vocabulary "${kind%-window}"
      two_stages "${G}_neg-$kind" "${G}_stage2_neg-$kind"
      evaluate "$row" "$checkpoint" "$MINIVAL" ;;
    appendix-h)
      pretrained o365_goldg_refc
      run "$PYTHON" "$(tool misc/make_gallery.py)" "$ROOT/configs/${PRETRAIN}_o365_goldg_refc-seg.py" \
        --weights "$checkpoint" --out work_dirs/reproduce/appendix-h ;;
    figure*)
      run "$PYTHON" "$(tool misc/make_gallery.py)" --scenes "$ROOT/tools/misc/figures/$row.json" \
        --out "work_dirs/reproduce/$row" ;;
    *) echo "no row $row; there are: ${ROWS[*]}" >&2; exit 2 ;;
  esac
}

[ "${1:-}" != -n ] || { dry=1; shift; }
[ $# -ge 1 ] || { sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
row=$1
shift
options=("$@")
case $row in
  list) printf '%s\n' "${ROWS[@]}" ;;
  all) for row in "${ROWS[@]}"; do of_row "$row"; done ;;
  *) of_row "$row" ;;
esac
