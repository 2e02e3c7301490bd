#!/bin/bash
#SBATCH --job-name=gpu
#SBATCH --time=00:10:00
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
# EDIT: how many GPUs, and what kind if the cluster has several: --gpus=a100:1
#SBATCH --gpus=1
# EDIT: if GPUs have a partition of their own, take one "#" away and name it
##SBATCH --partition=gpu

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# EDIT: what brings nvcc here; "module avail cuda" on a login node shows the names.
module load CUDA ||
    fail "No module CUDA here. Edit the line 'module load' in scripts/submission_script.sh."
# After the modules: their scripts often use unset variables.
set -euo pipefail

command -v nvidia-smi >/dev/null || fail "No nvidia-smi on $(hostname): is this a node with a GPU?" \
    "See the lines #SBATCH --gpus and --partition."
nvidia-smi -L || fail "The job has no GPU on $(hostname). See the line #SBATCH --gpus."
command -v nvcc >/dev/null || fail "No nvcc after 'module load': is it the right module?"

mkdir -p results
# How busy the GPU is, every 5 seconds, for as long as the job runs.
nvidia-smi --query-gpu=timestamp,index,utilization.gpu,memory.used --format=csv -l 5 \
    >results/gpu-usage.csv &
trap 'kill $! 2>/dev/null' EXIT

# EDIT: the work
nvcc -O2 -o results/saxpy scripts/saxpy.cu
results/saxpy | tee results/saxpy.txt
