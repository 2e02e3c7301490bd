#!/bin/bash
#SBATCH --job-name=classification-3d
#SBATCH --time=24:00:00
# EDIT: one process more than GPUs: the first only leads
#SBATCH --nodes=1
#SBATCH --ntasks=5
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=6
#SBATCH --mem=180G

# ---- EDIT: your data ----
particles=data/particles.star
reference=data/reference.mrc # same box and pixel size as the particles
classes=4
iterations=25
particle_diameter=200 # Å
symmetry=C1
initial_lowpass=50 # Å
regularisation=4   # T; 1 to 2 for cryo-EM in 2D, 2 to 4 in 3D
gpu=(--gpu '')     # all GPUs of the job; () for none
scratch=()         # e.g. (--scratch_dir "$TMPDIR") to copy the particles to the node's own disk

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
shopt -s nullglob

command -v relion_refine_mpi >/dev/null ||
    fail "No relion_refine_mpi after 'module load': is it the right module?"
[[ -r $particles ]] || fail "The particles $particles are missing. Edit the line 'particles='."
[[ -r $reference ]] || fail "The reference $reference is missing. Edit the line 'reference='."

# File names in a STAR file count from the folder in which RELION runs: here, the Unit of Work.
grep -q '@' "$particles" || fail "$particles names no particles (NUMBER@STACK)."
missing=$(grep -o '@[^[:space:]]*' "$particles" | sort -u | while IFS= read -r name; do
    [[ -r ${name#@} ]] || printf '  %s\n' "${name#@}"
done)
[[ -z $missing ]] || fail "$particles names stacks of particles that are not in the Unit of Work:" \
    "$missing" "Put them there, or change the names in the STAR file, e.g. to 000001@data/particles.mrcs"

# The last complete iteration of an earlier attempt, if there is one.
last=0
optimiser=
for file in Class3D/run_*optimiser.star; do
    stem=${file%_optimiser.star}
    [[ -s $file && -s ${stem}_model.star && -s ${stem}_data.star ]] || continue
    number=${stem##*_it}
    number=$((10#$number))
    if ((number > last)); then
        last=$number
        optimiser=$file
    fi
done

run=(--pool 30 --dont_combine_weights_via_disc --j "${SLURM_CPUS_PER_TASK:-1}"
    "${gpu[@]}" "${scratch[@]}")
mkdir -p Class3D
if ((last >= iterations)); then
    fail "All $iterations iterations are there already: $optimiser." \
        "To go further, raise 'iterations='; to begin anew, remove the folder Class3D."
elif ((last > 0)); then
    echo "Going on after iteration $last of $iterations"
    "${launcher[@]}" relion_refine_mpi --continue "$optimiser" --o "Class3D/run_ct$last" \
        --iter "$iterations" "${run[@]}"
else
    "${launcher[@]}" relion_refine_mpi --i "$particles" --ref "$reference" --o Class3D/run \
        --iter "$iterations" --K "$classes" --tau2_fudge "$regularisation" --sym "$symmetry" \
        --particle_diameter "$particle_diameter" --ini_high "$initial_lowpass" --firstiter_cc \
        --ctf --norm --scale --flatten_solvent --zero_mask --pad 2 \
        --oversampling 1 --healpix_order 2 --offset_range 5 --offset_step 2 "${run[@]}"
fi

model=(Class3D/run_*it"$(printf %03d "$iterations")"_model.star)
((${#model[@]})) || fail "RELION ended without iteration $iterations; see its messages above." \
    "A retry goes on from the last complete iteration."
echo "The classes are in ${model[0]}:"
grep -E '^Class3D/.*class[0-9]+\.mrc' "${model[0]}" || true
