#!/bin/bash
#SBATCH --job-name=further-script
#SBATCH --time=00:30:00
#SBATCH --ntasks=1
#SBATCH --mem=2G

# EDIT: the folder of an earlier Unit of Work that is still on the cluster
earlier=/projects/cryoem/flowcron/AnalysedFiles/NAME

# Reads what the earlier Unit of Work left there and writes only into its own folder, so that the
# earlier result stays as it is, and only what is new travels back.
set -euo pipefail

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

[[ -d $earlier ]] || fail "There is no folder $earlier on $(hostname)." \
    "Edit the line 'earlier=': \"path\" in the earlier one's flowcron/record.json says where it was filed." \
    "If it is in the recycling bin, 'flowcronctl restore NAME' brings it back."
[[ -r $earlier && -x $earlier ]] || fail "The job may not read $earlier."
[[ ! -e $earlier/sentinels ]] || fail "$earlier is still being worked on. Retry when it is done."

# EDIT: the work. Here: a list of all micrographs that the earlier motion correction made.
star=$earlier/MotionCorr/corrected_micrographs.star
[[ -r $star ]] || fail "$star is missing: was $earlier a motion correction?"
mkdir -p results
# Names in the STAR file count from the earlier folder.
grep -o '^MotionCorr/[^[:space:]]*' "$star" | while IFS= read -r name; do
    printf '%s\t%s\n' "$name" "$(stat -c %s "$earlier/$name" 2>/dev/null || echo missing)"
done >results/micrographs.tsv
echo "Listed $(wc -l <results/micrographs.tsv) micrographs of $earlier"
