#!/bin/bash
#SBATCH --job-name=motion-correction
#SBATCH --time=08:00:00
# EDIT: --ntasks movies at a time, each on --cpus-per-task cores; the cores should divide the frames
#SBATCH --ntasks=4
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=4G

# ---- EDIT: your data ----
movies='data/movies/*.tiff' # .tiff, .mrcs or .eer, in quotes
gain=''                     # e.g. data/gain.mrc; '' for none
gain_rotation=0             # times 90 degrees: 0 to 3
gain_flip=0                 # 0: no; 1: upside down; 2: left to right
pixel_size=0.885            # Å
voltage=300                 # kV
cs=2.7                      # mm, spherical aberration
amplitude_contrast=0.1
dose_per_frame=1.277 # electrons/Å²
patches=5            # in x and in y
binning=1            # 2 for super-resolution
eer_grouping=32      # .eer only: how many of its frames make one

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# ---- EDIT: your site ----
# "module avail relion" on a login node shows the names.
module load RELION ||
    fail "No module RELION here. Edit the line 'module load' in scripts/submission_script.sh."
# What starts an MPI program: srun, "srun --mpi=pmix", or mpirun.
launcher=(srun --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}")

# After the modules: their scripts often use unset variables.
set -euo pipefail

command -v relion_run_motioncorr_mpi >/dev/null ||
    fail "No relion_run_motioncorr_mpi after 'module load': is it the right module?"
compgen -G "$movies" >/dev/null ||
    fail "No movies: nothing is called $movies. Edit the line 'movies='."
options=()
if [[ $gain ]]; then
    [[ -r $gain ]] || fail "The gain reference $gain is missing. Edit the line 'gain='."
    options+=(--gainref "$gain" --gain_rot "$gain_rotation" --gain_flip "$gain_flip")
fi
if [[ $movies == *.eer ]]; then
    options+=(--eer_grouping "$eer_grouping")
fi

mkdir -p Import
relion_import --do_movies --i "$movies" --odir Import/ --ofile movies.star \
    --optics_group_name opticsGroup1 --angpix "$pixel_size" --kV "$voltage" --Cs "$cs" \
    --Q0 "$amplitude_contrast"

# RELION's own implementation. --only_do_unfinished: a retry goes on where the last attempt stopped.
"${launcher[@]}" relion_run_motioncorr_mpi --use_own --i Import/movies.star --o MotionCorr/ \
    --only_do_unfinished --j "${SLURM_CPUS_PER_TASK:-1}" \
    --dose_weighting --dose_per_frame "$dose_per_frame" --preexposure 0 \
    --patch_x "$patches" --patch_y "$patches" --bfactor 150 --bin_factor "$binning" \
    --first_frame_sum 1 --last_frame_sum -1 "${options[@]}"

[[ -s MotionCorr/corrected_micrographs.star ]] ||
    fail "RELION wrote no MotionCorr/corrected_micrographs.star; its messages are in the output file."
wanted=$(compgen -G "$movies" | wc -l)
made=$(grep -c '^MotionCorr/' MotionCorr/corrected_micrographs.star || true)
echo "Corrected $made of $wanted movies"
((made == wanted)) || fail "Only $made of $wanted movies were corrected. A retry does the others."
