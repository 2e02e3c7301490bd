#!/bin/bash
#SBATCH --job-name=tilt-series
#SBATCH --time=01:00:00
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --gpus=1
# EDIT: 1-N for N tilt series in data/; %4: at most four at the same time
#SBATCH --array=1-1%4

# ---- EDIT: your data ----
# Each tilt series is data/NAME.mrc (or .st) with its tilt angles, one a line, in data/NAME.rawtlt
# (or .tlt), in the order of the images. For dose weighting, a second column says when the image was
# taken: 1 for the first, and so on.
pixel_size=1.5 # Å, of the tilt series
voltage=300    # kV
dose=3.0       # electrons/Å² of one image; 0: no dose weighting
tilt_axis=85.0 # degrees, about
align_z=800    # pixels: how thick the specimen is
volume_z=1600  # pixels: the tomogram's height, before binning
binning=4      # of the tomogram
patches='0 0'  # '0 0': global alignment only; '4 4': local alignment too

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# ---- EDIT: your site ----
# "module avail aretomo" on a login node shows the names; the program's may have a version in it.
module load AreTomo2 ||
    fail "No module AreTomo2 here. Edit the line 'module load' in scripts/submission_script.sh."
aretomo=AreTomo2

# After the modules: their scripts often use unset variables.
set -euo pipefail
shopt -s nullglob

command -v "$aretomo" >/dev/null ||
    fail "No $aretomo after 'module load'. Edit the lines 'module load' and 'aretomo='."

series=(data/*.mrc data/*.st)
((${#series[@]})) || fail "There is no tilt series (*.mrc or *.st) in data/."
number=${SLURM_ARRAY_TASK_ID:-}
[[ $number ]] || fail "This is not a job array: put the line #SBATCH --array=1-N back."
if ((${SLURM_ARRAY_TASK_MAX:-$number} != ${#series[@]})); then
    fail "There are ${#series[@]} tilt series, but the array ends at ${SLURM_ARRAY_TASK_MAX:-$number}." \
        "Change the line to: #SBATCH --array=1-${#series[@]}%4"
fi

input=${series[number - 1]}
name=$(basename "${input%.*}")
angles=
for file in "${input%.*}.rawtlt" "${input%.*}.tlt"; do
    [[ $angles || ! -r $file ]] || angles=$file
done
[[ $angles ]] || fail "No tilt angles for $input: ${input%.*}.rawtlt is missing."

out=Tomograms/$name
mkdir -p "$out"
rm -f "$out/$name.mrc"

# -Wbp 1: weighted back projection; -FlipVol 1: the tomogram is stored as x, y, z; -OutImod 1: files
# for subtomogram averaging in RELION; -TiltCor 1: the measured tilt offset is applied.
options=()
if [[ $dose != 0 ]]; then
    # AreTomo2 would go on without weighting.
    grep -qE '^[[:space:]]*[-+0-9.]+[[:space:]]+[0-9]+' "$angles" ||
        fail "$angles has no second column with the order of the images, which dose weighting needs." \
            "Add it, or edit the line: dose=0"
    options+=(-ImgDose "$dose")
fi
read -r patch_x patch_y <<<"$patches"
echo "Tilt series $number of ${#series[@]}: $input with $angles"
"$aretomo" -InMrc "$input" -OutMrc "$out/$name.mrc" -AngFile "$angles" \
    -PixSize "$pixel_size" -Kv "$voltage" "${options[@]}" \
    -TiltAxis "$tilt_axis" -AlignZ "$align_z" -VolZ "$volume_z" -OutBin "$binning" \
    -Patch "$patch_x" "$patch_y" -TiltCor 1 -FlipVol 1 -Wbp 1 -OutImod 1 -Gpu 0

# AreTomo may end with 0 all the same.
[[ -s $out/$name.mrc ]] || fail "AreTomo made no tomogram of $input." \
    "Its messages are in slurm-${SLURM_ARRAY_JOB_ID:-JOB}_$number.out; too little memory on the GPU is" \
    "the usual cause: try a larger 'binning=' or a smaller 'volume_z='."
