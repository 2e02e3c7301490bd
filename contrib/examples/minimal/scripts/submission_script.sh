#!/bin/bash
#SBATCH --job-name=minimal
#SBATCH --time=00:10:00
#SBATCH --ntasks=1
#SBATCH --mem=100M

# The job starts in the folder of the Unit of Work; $1 is its absolute path.
set -euo pipefail
shopt -s nullglob

files=(data/*.txt)
if ((${#files[@]} == 0)); then
    echo "There is nothing to count: put *.txt files into data/ and upload again." >&2
    exit 1
fi

echo "Counting words on $(hostname), job ${SLURM_JOB_ID:-none}"
mkdir -p results
for file in "${files[@]}"; do
    name=$(basename "$file" .txt)
    wc -w <"$file" >"results/$name.count"
done
echo "Counted ${#files[@]} files"
