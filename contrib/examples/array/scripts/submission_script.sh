#!/bin/bash
#SBATCH --job-name=array
#SBATCH --time=00:10:00
#SBATCH --ntasks=1
#SBATCH --mem=200M
# EDIT: 1-N for the N lines of data/tasks.txt; %2: at most two at the same time
#SBATCH --array=1-3%2

# Each task of the array takes the line of data/tasks.txt that has its number, and writes files that
# no other task writes. Slurm starts this script once for each task.
set -euo pipefail

tasks=data/tasks.txt

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

[[ -r $tasks ]] || fail "$tasks is missing: one line for each task."
number=${SLURM_ARRAY_TASK_ID:-}
[[ $number ]] || fail "This is not a job array: put the line #SBATCH --array=1-N back."

# The last line counts even without a newline at its end.
mapfile -t lines <"$tasks"
if ((${SLURM_ARRAY_TASK_MAX:-$number} != ${#lines[@]})); then
    fail "$tasks has ${#lines[@]} lines, but the array ends at ${SLURM_ARRAY_TASK_MAX:-$number}." \
        "Change the line to: #SBATCH --array=1-${#lines[@]}"
fi

# EDIT: the words of a line
read -r input word <<<"${lines[number - 1]}"
[[ $input && $word ]] ||
    fail "Line $number of $tasks must be: the file's name, a blank, a word. It is: ${lines[number - 1]}"
[[ -r data/$input ]] || fail "data/$input is missing; line $number of $tasks asks for it."

# EDIT: the work. Whatever a task writes carries its number or its input's name.
mkdir -p results
printf 'task %d: looking for "%s" in %s\n' "$number" "$word" "$input"
hits=$(grep -ciw -e "$word" "data/$input" || true)
printf '%s\t%s\t%s\n' "$input" "$word" "$hits" >"results/$number.tsv"
