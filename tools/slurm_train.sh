#!/usr/bin/env bash
# Train as a Slurm job.
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of tools/train.py]
# Environment: GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5), PORT (29500; another one for a
# second job on a node), SRUN_ARGS (more options of srun).
set -euo pipefail

if [ $# -lt 4 ]; then
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
fi
partition=$1
job_name=$2
config=$3
work_dir=$4
shift 4
gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-8}
[ "$gpus" -ge "$gpus_per_node" ] || gpus_per_node=$gpus
export MASTER_PORT="${PORT:-29500}"
read -r -a srun_args <<<"${SRUN_ARGS:-}"

exec srun -p "$partition" \
  --job-name="$job_name" \
  --gres="gpu:$gpus_per_node" \
  --ntasks="$gpus" \
  --ntasks-per-node="$gpus_per_node" \
  --cpus-per-task="${CPUS_PER_TASK:-5}" \
  --kill-on-bad-exit=1 \
  ${srun_args[@]+"${srun_args[@]}"} \
  "${PYTHON:-python}" -u "$(dirname "${BASH_SOURCE[0]}")/train.py" "$config" \
  --work-dir "$work_dir" --launcher slurm "$@"
