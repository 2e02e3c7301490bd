#!/bin/bash
#SBATCH --job-name=minimal
#SBATCH --time=00:10:00
#SBATCH --ntasks=1
#SBATCH --mem=100M

# The job starts in the folder of the Unit of Work; $1 is its absolute path.
set -euo pipefail

echo "Counting words on $(hostname), job ${SLURM_JOB_ID:-none}"
mkdir -p results
for file in data/*.txt; do
    wc -w <"$file" >"results/$(basename "$file" .txt).count"
done
echo "Counted $(ls results | wc -l) files"
